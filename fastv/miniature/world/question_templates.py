"""How each task is asked: many phrasings, some of them kept from training."""

from __future__ import annotations

_HOW_MANY = (
    "How many {many} are there?",
    "How many {many} are in the picture?",
    "How many {many} do you see?",
    "Count the {many}.",
    "What is the number of {many}?",
    "How many {many} does the picture show?",
    "How many {many} do you find?",
    "Tell me how many {many} there are.",
    "Count all the {many} here.",
    "How many {many} can you find in the picture?",
    "What is the number of {many} in the picture?",
)
_HOW_MANY_UNSEEN = ("How many {many} can you see?", "Count the {many} in the picture.")
_OPTIONS = "\nA. {0}\nB. {1}\nC. {2}\nD. {3}"

# task -> (phrasings training sees, phrasings it does not)
PHRASINGS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "exists": (
        (
            "Is there {a} in the picture?",
            "Is there {a}?",
            "Do you see {a}?",
            "Does the picture show {a}?",
            "Can you find {a} here?",
            "Is {a} in the picture?",
            "Can you find {a} in the picture?",
            "Do you find {a} anywhere?",
            "Is there {a} to see here?",
            "Can you see {a} anywhere?",
        ),
        ("Do you see {a} in the picture?", "Can you see {a} here?"),
    ),
    "count": (_HOW_MANY, _HOW_MANY_UNSEEN),
    "where": (
        (
            "Where is the {one}?",
            "Where in the picture is the {one}?",
            "In which part of the picture is the {one}?",
            "Where do you see the {one}?",
            "Where can you find the {one}?",
            "Which part of the picture shows the {one}?",
            "Tell me where the {one} is.",
            "In which part do you see the {one}?",
        ),
        ("Where can you see the {one}?", "In which part is the {one}?"),
    ),
    "what at": (
        (
            "What is in the {cell}?",
            "What do you see in the {cell}?",
            "Which thing is in the {cell}?",
            "Name the thing in the {cell}.",
            "What is there in the {cell}?",
            "What can you find in the {cell}?",
            "What do you find in the {cell} of the picture?",
            "Which thing do you see in the {cell} of the picture?",
            "Tell me what is in the {cell}.",
        ),
        ("What can you see in the {cell}?", "What is in the {cell} of the picture?"),
    ),
    "relation": (
        (
            "Is the {one} {side} the {other}?",
            "Do you see the {one} {side} the {other}?",
            "In the picture, is the {one} {side} the {other}?",
            "Can you find the {one} {side} the {other}?",
            "Do you see the {one} {side} the {other} in the picture?",
            "Does the picture show the {one} {side} the {other}?",
            "Tell me if the {one} is {side} the {other}.",
        ),
        ("Can you see the {one} {side} the {other}?", "Is the {one} {side} the {other} in the picture?"),
    ),
    "count category": (_HOW_MANY, _HOW_MANY_UNSEEN),
    "category": (
        (
            "What kind of thing is in the {cell}?",
            "Which kind of thing do you see in the {cell}?",
            "Is the thing in the {cell} an animal, a fruit, a vehicle, a ball, a plant or a tool?",
            "What kind of thing can you find in the {cell}?",
            "Which kind of thing is in the {cell}?",
            "Which kind of thing is in the {cell} of the picture?",
            "Tell me what kind of thing is in the {cell}.",
        ),
        ("What kind of thing do you see in the {cell}?", "What kind of thing is in the {cell} of the picture?"),
    ),
    "colour": (
        (
            "What colour is the background?",
            "Which colour is the background?",
            "Name the colour of the background.",
            "What is the colour of the background?",
            "What colour do you see in the background?",
            "Tell me the colour of the background.",
            "Which colour is the background of the picture?",
        ),
        ("Which colour do you see in the background?", "What colour is the background of the picture?"),
    ),
    "sign": (
        (
            "What number is on the sign?",
            "Which number is on the sign?",
            "What does the sign say?",
            "Read the sign.",
            "What is the number on the sign?",
            "What number do you see on the sign?",
            "Tell me the number on the sign.",
            "Which number does the sign show?",
            "What do you read on the sign?",
        ),
        ("Which number do you see on the sign?", "Read the number on the sign."),
    ),
    "compare": (
        (
            "Are there more {many} than {others}?",
            "Do you see more {many} than {others}?",
            "Does the picture show more {many} than {others}?",
            "Can you find more {many} than {others}?",
            "In the picture, are there more {many} than {others}?",
            "Do you see more {many} than {others} in the picture?",
            "Tell me if there are more {many} than {others}.",
        ),
        ("Can you see more {many} than {others}?", "Are there more {many} than {others} in the picture?"),
    ),
    "describe": (
        (
            "Describe the picture.",
            "What is in the picture?",
            "What do you see?",
            "What does the picture show?",
            "What do you see in the picture?",
            "Describe what the picture shows.",
            "Tell me what you see.",
            "Name all you see.",
            "What can you find in the picture?",
            "Describe what is here.",
        ),
        ("What can you see in the picture?", "Describe what you see."),
    ),
    "choice": (
        (
            f"{{question}}{_OPTIONS}\nAnswer with the letter.",
            "{question} Choose: A. {0} B. {1} C. {2} D. {3}",
            f"{{question}}{_OPTIONS}\nWhich letter is right?",
            f"{{question}}{_OPTIONS}\nGive the letter.",
            f"{{question}}{_OPTIONS}",
            f"Choose one letter. {{question}}{_OPTIONS}",
        ),
        (f"{{question}}{_OPTIONS}\nChoose the letter.",),
    ),
}
TASKS = tuple(PHRASINGS)
# The groups in which the paper's benchmarks fall; pruning costs them differently.
GROUP_OF: dict[str, str] = {
    "exists": "VQA",
    "what at": "VQA",
    "relation": "VQA",
    "category": "VQA",
    "colour": "VQA",
    "compare": "VQA",
    "choice": "VQA",
    "describe": "captions",
    "sign": "OCR",
    "count": "counting and localization",
    "count category": "counting and localization",
    "where": "counting and localization",
}
GROUPS = tuple(dict.fromkeys(GROUP_OF.values()))
