/* Runs once: dots of the chart and cells of the maps can be chosen by a click or a key, and arrow keys walk from one
   dot to the next. */
element.addEventListener("click", event => {
  const dot = event.target.closest(".dot, .plane button");
  if (dot && dot.dataset.k) trigger("click", {k: Number(dot.dataset.k), r: Number(dot.dataset.r)});
});

element.addEventListener("keydown", event => {
  const step = {ArrowUp: -1, ArrowLeft: -1, ArrowDown: 1, ArrowRight: 1}[event.key];
  const here = event.target.closest(".dot");
  if (!here || !step) return;
  event.preventDefault();
  const dots = [...element.querySelectorAll(".dot")];
  const next = dots[dots.indexOf(here) + step];
  if (!next) return;
  here.tabIndex = -1;
  next.tabIndex = 0;
  next.focus();
});
