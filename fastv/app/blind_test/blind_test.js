/* Plays one game: a guess shows what was what, "Next" goes on, the end counts. Gradio gives element and watch. */
let marks = [];
const all = selector => [...element.querySelectorAll(selector)];
const percent = r => `${Math.round(100 * r)}%`;

function show(number) {
  const rounds = all(".blind-round");
  rounds.forEach((round, index) => { round.hidden = index !== number; });
  element.querySelector(".blind-count").textContent = Math.min(number + 1, rounds.length);
  element.querySelector(".blind-bar i").style.width = `${100 * number / rounds.length}%`;
  if (number < rounds.length) return rounds[number].querySelector(".blind-answer").focus({preventScroll: true});
  finish();
}

function guess(button) {
  const round = button.closest(".blind-round");
  if (!round || round.dataset.guessed) return;
  const right = button.dataset.guess === round.dataset.right;
  round.dataset.guessed = right ? "right" : "wrong";
  all(".blind-answer").filter(one => round.contains(one)).forEach(one => {
    one.disabled = true;
    one.classList.toggle("right", one.dataset.guess === round.dataset.right);
    one.classList.toggle("chosen", one === button);
  });
  marks.push({r: Number(round.dataset.r), right, same: round.dataset.right === "same"});
  round.querySelector(".blind-result").hidden = false;
  round.querySelector(".blind-next").focus({preventScroll: true});
}

function summary() {
  const alike = marks.filter(mark => mark.same), first = marks.find(mark => !mark.same);
  const told = alike.length ? `The answers were the same words in ${alike.length} of ${marks.length} rounds, ` +
    `up to ${percent(alike.at(-1).r)} dropped. ` : "";
  return told + (first ? `They first differed at ${percent(first.r)}.` : "");
}

function finish() {
  const end = element.querySelector(".blind-end");
  end.hidden = false;
  end.querySelector(".blind-score").textContent = marks.filter(mark => mark.right).length;
  end.querySelector(".blind-summary").textContent = summary();
  end.querySelector(".blind-marks").replaceChildren(...marks.map(mark => {
    const one = document.createElement("span");
    one.className = mark.right ? "right" : "wrong";
    one.textContent = percent(mark.r);
    return one;
  }));
  end.querySelector("h3").focus({preventScroll: true});
}

async function copy(button) {
  const squares = marks.map(mark => mark.right ? "🟩" : "⬜").join("");
  const told = marks.filter(mark => mark.right).length;
  const text = `Can you tell which answer saw fewer tokens? ${told}/${marks.length} ${squares}\n` +
    `${summary()}\n${location.origin}${location.pathname}?tab=blind_test`;
  if (navigator.share && matchMedia("(pointer: coarse)").matches) return navigator.share({text}).catch(() => {});
  await navigator.clipboard.writeText(text);
  button.textContent = "Copied";
}

function again() {
  marks = [];
  const rounds = all(".blind-round");
  rounds.forEach(round => {
    delete round.dataset.guessed;
    round.querySelector(".blind-result").hidden = true;
    round.querySelectorAll(".blind-answer").forEach(one => {
      one.disabled = false;
      one.classList.remove("right", "chosen");
    });
  });
  element.querySelector(".blind-end").hidden = true;
  show(0);
}

element.addEventListener("click", event => {
  const button = event.target.closest("button");
  if (!button) return;
  if (button.matches(".blind-answer")) guess(button);
  if (button.matches(".blind-next")) show(all(".blind-round").indexOf(button.closest(".blind-round")) + 1);
  if (button.matches(".blind-copy")) copy(button);
  if (button.matches(".blind-again")) again();
});

watch("value", () => { marks = []; });
