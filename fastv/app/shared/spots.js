/* Runs once in every pane with a chart or a map: spots with data-k can be chosen by a click, a key or a screen reader, and
   arrow keys walk from one to the next. Gradio gives element, trigger and watch. */
let chosen = null;
const spots = () => [...element.querySelectorAll("[data-row]")];
const name = spot => `[data-k="${spot.dataset.k}"][data-r="${spot.dataset.r}"]`
  + (spot.dataset.model ? `[data-model="${spot.dataset.model}"]` : "");

element.addEventListener("click", event => {
  const spot = event.target.closest("[data-k]");
  if (!spot) return;
  chosen = name(spot);
  trigger("click", {k: spot.dataset.k, r: spot.dataset.r, model: spot.dataset.model || "", method: spot.dataset.method || ""});
});

element.addEventListener("keydown", event => {
  const here = event.target.closest("[data-row]");
  const step = {ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1]}[event.key];
  if (!here || !step) return;
  event.preventDefault();
  const single = spots().every(spot => spot.dataset.row === here.dataset.row);
  const row = Number(here.dataset.row) + (single ? 0 : step[0]);
  const column = Number(here.dataset.column) + (single ? step[0] + step[1] : step[1]);
  const next = spots().find(spot => Number(spot.dataset.row) === row && Number(spot.dataset.column) === column);
  if (!next) return;
  here.tabIndex = -1;
  next.tabIndex = 0;
  next.focus();
});

/* What was chosen is drawn anew: the focus goes back to where it was. */
watch("value", () => {
  if (chosen && document.activeElement === document.body) element.querySelector(chosen)?.focus({preventScroll: true});
});
