"""How each form of question is phrased: several phrasings that training uses, some that it does not; tasks and their
groups.
"""

from __future__ import annotations

_HOW_MANY = (
    (
        "How many {many} are there?",
        "How many {many} are in the picture?",
        "How many {many} do you see?",
        "Count the {many}.",
        "What is the number of {many}?",
        "Count all the {many} here.",
        "How many {many} can you find in the picture?",
    ),
    ("How many {many} can you see?", "Count the {many} in the picture."),
)
_OPTIONS = "\nA. {0}\nB. {1}\nC. {2}\nD. {3}"


# form -> (phrasings training uses, phrasings it does not)
PHRASINGS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "exists": (
        (
            "Is there {a} in the picture?",
            "Is there {a}?",
            "Do you see {a}?",
            "Does the picture show {a}?",
            "Can you find {a} here?",
            "Is {a} in the picture?",
            "Can you see {a} anywhere?",
        ),
        ("Do you see {a} in the picture?", "Can you see {a} here?"),
    ),
    "identify": (
        (
            "What is in the {cell}?",
            "What do you see in the {cell}?",
            "Which thing is in the {cell}?",
            "Name the thing in the {cell}.",
            "What can you find in the {cell}?",
            "Which thing do you see in the {cell} of the picture?",
            "Tell me what is in the {cell}.",
        ),
        ("What can you see in the {cell}?", "What is in the {cell} of the picture?"),
    ),
    "category": (
        (
            "What kind of thing is in the {cell}?",
            "Which kind of thing do you see in the {cell}?",
            "What kind of thing can you find in the {cell}?",
            "Which kind of thing is in the {cell}?",
            "Which kind of thing is in the {cell} of the picture?",
            "Tell me what kind of thing is in the {cell}.",
        ),
        ("What kind of thing do you see in the {cell}?", "What kind of thing is in the {cell} of the picture?"),
    ),
    "colour": (
        (
            "What colour is the {one}?",
            "Which colour is the {one}?",
            "What is the colour of the {one}?",
            "Tell me the colour of the {one}.",
            "What colour does the {one} have?",
        ),
        ("Which colour does the {one} have?", "What colour is the {one} in the picture?"),
    ),
    "background": (
        (
            "What colour is the background?",
            "Which colour is the background?",
            "Name the colour of the background.",
            "What is the colour of the background?",
            "Tell me the colour of the background.",
            "Which colour is the background of the picture?",
        ),
        ("Which colour does the background have?", "What colour is the background of the picture?"),
    ),
    "relation": (
        (
            "Is the {one} {side} the {other}?",
            "Do you see the {one} {side} the {other}?",
            "In the picture, is the {one} {side} the {other}?",
            "Can you find the {one} {side} the {other}?",
            "Does the picture show the {one} {side} the {other}?",
            "Tell me if the {one} is {side} the {other}.",
        ),
        ("Can you see the {one} {side} the {other}?", "Is the {one} {side} the {other} in the picture?"),
    ),
    "compare": (
        (
            "Are there more {many} than {others}?",
            "Do you see more {many} than {others}?",
            "Does the picture show more {many} than {others}?",
            "Can you find more {many} than {others}?",
            "In the picture, are there more {many} than {others}?",
            "Tell me if there are more {many} than {others}.",
        ),
        ("Can you see more {many} than {others}?", "Are there more {many} than {others} in the picture?"),
    ),
    "home": (
        ("Where is {it} found?", "Where can you find {it}?", "Where does one find {it}?", "What is the home of {it}?"),
        ("Where do you find {it}?",),
    ),
    "call": (
        ("What sound is made by {it}?", "What is the sound of {it}?", "Tell me the sound of {it}."),
        ("Which sound is made by {it}?",),
    ),
    "young": (
        ("What is the young of {it}?", "Name the young of {it}.", "What do you call the young of {it}?"),
        ("Tell me the young of {it}.",),
    ),
    "price": (
        ("What is the price of {it}?", "What does {it} cost?", "Tell me the price of {it}."),
        ("Name the price of {it}.",),
    ),
    "heavier": (
        (
            "Which is heavier, {it} or {that}?",
            "What is heavier, {it} or {that}?",
            "Tell me which is heavier, {it} or {that}.",
        ),
        ("Which thing is heavier, {it} or {that}?",),
    ),
    "sum": (
        (
            "What do {it} and {that} cost together?",
            "What is the price of {it} and {that} together?",
            "Tell me the price of {it} and {that} together.",
        ),
        ("What is the price of both {it} and {that}?",),
    ),
    "which call": (
        (
            "Where is the one that {call}?",
            "Where do you see the one that {call}?",
            "Which part shows the one that {call}?",
        ),
        ("Where can you see the one that {call}?",),
    ),
    "which young": (
        (
            "Where is the one whose young is a {young}?",
            "Where do you see the one whose young is a {young}?",
            "Which part shows the one whose young is a {young}?",
        ),
        ("Where can you see the one whose young is a {young}?",),
    ),
    "mix": (
        (
            "What do you get from {it} and {that}?",
            "What comes of {it} and {that}?",
            "Tell me what you get from {it} and {that}.",
        ),
        ("What does one get from {it} and {that}?",),
    ),
    "choice": (
        (
            f"{{question}}{_OPTIONS}\nAnswer with the letter.",
            "{question} Choose: A. {0} B. {1} C. {2} D. {3}",
            f"{{question}}{_OPTIONS}\nWhich letter is right?",
            f"{{question}}{_OPTIONS}\nGive the letter.",
            f"{{question}}{_OPTIONS}",
        ),
        (f"{{question}}{_OPTIONS}\nChoose the letter.",),
    ),
    "caption": (
        (
            "Describe the picture.",
            "What does the picture show?",
            "Describe what the picture shows.",
            "Tell me what you see.",
            "Give a caption.",
            "What do you see?",
            "Describe what is here.",
        ),
        ("Describe what you see.", "Give a caption of the picture."),
    ),
    "plate": (
        (
            "What number is on the plate?",
            "Which number is on the plate?",
            "What does the plate say?",
            "Read the plate.",
            "What number do you see on the plate?",
            "Tell me the number on the plate.",
            "Which number does the plate show?",
        ),
        ("Which number do you see on the plate?", "Read the number on the plate."),
    ),
    "count": _HOW_MANY,
    "count category": _HOW_MANY,
    "where": (
        (
            "Where is the {one}?",
            "Where in the picture is the {one}?",
            "In which part of the picture is the {one}?",
            "Where do you see the {one}?",
            "Which part of the picture shows the {one}?",
            "Tell me where the {one} is.",
        ),
        ("Where can you see the {one}?", "In which part is the {one}?"),
    ),
    "outermost": (
        (
            "Where is the {end} of the {many}?",
            "Where do you see the {end} of the {many}?",
            "In which part of the picture is the {end} of the {many}?",
            "Tell me where the {end} of the {many} is.",
        ),
        ("In which part is the {end} of the {many}?",),
    ),
}
FORMS = tuple(PHRASINGS)
_KNOWLEDGE = ("home", "call", "young", "price")
_REASONING = ("heavier", "sum", "which call", "which young")
TASK_OF = {form: "knowledge" if form in _KNOWLEDGE else "reasoning" if form in _REASONING else form for form in FORMS}
TASKS = tuple(dict.fromkeys(TASK_OF.values()))
GROUP_OF = {
    task: {
        "caption": "captions",
        "plate": "OCR",
        "count": "counting and localization",
        "count category": "counting and localization",
        "where": "counting and localization",
        "outermost": "counting and localization",
    }.get(task, "VQA")
    for task in TASKS
}
GROUPS = tuple(dict.fromkeys(GROUP_OF.values()))
