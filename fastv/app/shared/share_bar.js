/* Sharing a run, and the runs of this visit, which this tab of the browser keeps. Gradio gives element and watch. */
const RUNS = "fastv-runs", UNDER_WAY = "fastv-under-way", MOST = 20;
const find = selector => element.querySelector(selector);
const address = query => `${location.origin}${location.pathname}?${query}`;
const kept = () => { try { return JSON.parse(sessionStorage.getItem(RUNS)) ?? []; } catch { return []; } };
const keep = runs => { try { sessionStorage.setItem(RUNS, JSON.stringify(runs.slice(0, MOST))); } catch { /* full */ } };
const present = () => { const text = find(".share-bar")?.dataset.run; return text ? JSON.parse(text) : null; };

function tell(words) {
  const note = find(".share-note");
  if (!note) return;
  Object.assign(note, {textContent: words, hidden: false});
}

async function copy(text) {
  try { await navigator.clipboard.writeText(text); } catch {  // browsers offer the clipboard to secure pages only
    const field = Object.assign(document.createElement("textarea"), {value: text});
    document.body.append(field);
    field.select();
    document.execCommand("copy");
    field.remove();
  }
  tell("Copied: the link shows this result wherever it is opened.");
}

async function share(run) {
  const sent = {title: run.headline, text: `${run.headline}: “${run.question}”`, url: address(run.query)};
  try {
    const picture = await (await fetch(find("a[download]").href)).blob();
    const files = [new File([picture], "fastv.png", {type: "image/png"})];
    await navigator.share(navigator.canShare?.({files}) ? {...sent, files} : sent);
  } catch (error) {
    if (error.name !== "AbortError") await copy(sent.url);
  }
}

function show_runs() {
  const runs = kept(), box = find(".visit-runs");
  if (!box) return;
  box.hidden = runs.length === 0;
  find(".visit-count").textContent = runs.length;
  find(".visit-runs tbody").replaceChildren(...runs.map(run => {
    const row = document.createElement("tr"), link = document.createElement("td");
    const texts = [run.question, `${run.model}: ${run.setting}`, run.answers.join(" / "), run.savings.join(", ")];
    row.append(...texts.map(text => Object.assign(document.createElement("td"), {textContent: text})));
    link.append(Object.assign(document.createElement("a"), {href: `?${run.query}`, target: "_blank", textContent: "Open"}));
    row.append(link);
    return row;
  }));
}

function drawn() {
  const run = present(), runs = kept();
  const native = find("[data-share=native]");
  if (native) native.hidden = !navigator.share;
  if (run && JSON.stringify(runs[0]) !== JSON.stringify(run)) keep([run, ...runs]);
  show_runs();
}

element.addEventListener("click", event => {
  const act = event.target.closest("[data-share]")?.dataset.share, run = present();
  if (act === "copy" && run) copy(address(run.query));
  if (act === "native" && run) share(run);
  if (act === "forget") { keep([]); show_runs(); }
});

/* A reload ends a run: afterwards the page says so. */
addEventListener("pagehide", () => {
  if (document.querySelector("#status progress")) sessionStorage.setItem(UNDER_WAY, "yes");
});
if (sessionStorage.getItem(UNDER_WAY)) {
  sessionStorage.removeItem(UNDER_WAY);
  tell("A run was under way when the page was left. It was ended, and there is no result of it; press Run again.");
}

watch("value", drawn);
drawn();
