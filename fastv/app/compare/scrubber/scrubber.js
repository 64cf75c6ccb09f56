/* The slider over R: paints what was recorded into the picture, the answers and the tiles, without asking anybody; where
   nothing was recorded, it asks the model. Gradio gives element, trigger and watch. */
const page = element.closest(".compare");
const part = selector => page.querySelector(selector);
const root = () => element.querySelector(".scrubber");
const range = () => element.querySelector("#scrub-r");
const chosen = name => element.querySelector(`[name=scrub-${name}]:checked`)?.value ?? root().dataset[name];
let recorded = null, touched = 0, playing = null, telling = null, of = null, asked = null;

const run = () => recorded?.runs[`${chosen("method")} ${chosen("k")}`];
const setting = () => ({k: Number(chosen("k")), r: Number(range().value), method: chosen("method")});

/* One box for each run of dropped patches in a row, as the server draws them. */
const maskPath = (levels, step, columns) => {
  let path = "";
  for (let at = 0; at < levels.length;) {
    const row = Math.floor(at / columns), start = at;
    while (at < levels.length && Math.floor(at / columns) === row && parseInt(levels[at], 36) <= step) at++;
    if (at > start) path += `M${start % columns} ${row}h${at - start}v1h-${at - start}z`;
    else at++;
  }
  return path;
};

const label = () => {
  const percent = range().value, at = Number(percent) / 0.95;
  element.querySelector("output").textContent = `${percent}%`;
  range().style.setProperty("--filled", `${at}%`);
};

const paint = () => {
  label();
  const its = run();
  if (!its) return;
  const step = recorded.percents.indexOf(Number(range().value));
  const kept = [...its.levels].filter(level => parseInt(level, 36) > step).length;
  part("#kept .mask path").setAttribute("d", maskPath(its.levels, step, recorded.columns));
  part("#kept .left").innerHTML = `<b>${kept} of ${its.levels.length}</b> visual tokens left`
    + (step ? ` from layer ${chosen("k")} on` : "");
  part("#answers .source").textContent = recorded.source;
  part("#answers .baseline .said").innerHTML = recorded.said[its.said[0]];
  part("#answers .fastv .said").innerHTML = recorded.said[its.said[step]];
  part("#answers .fastv .name").textContent = recorded.names[chosen("method")];
  part("#answers .fastv small").textContent = `K=${chosen("k")}, R=${range().value}%`;
  its.tiles[step].forEach(([headline, first, second, amounts], index) => {
    const tile = page.querySelectorAll("#tiles .tile")[index];
    tile.classList.remove("open");
    tile.querySelector(".headline").textContent = headline;
    tile.querySelector(".amounts").textContent = amounts;
    tile.querySelector(".baseline").style.width = `${first}%`;
    tile.querySelector(".fastv").style.width = `${second}%`;
  });
  part("#many .remark").outerHTML = recorded.remarks[its.remarks[step]];
  page.classList.remove("outdated");
};

/* Tells of a setting, or asks for a quick pass at it, once all rests: of several events under way at a time, Gradio
   would handle the first one twice. */
const report = chosen => {
  asked = run() ? null : JSON.stringify(chosen);
  clearTimeout(telling);
  telling = setTimeout(() => trigger(asked ? "submit" : "input", chosen), 200);
};

const tell = () => {
  touched = Date.now();
  report(setting());
};

/* What was recorded of the image makes way for a quick pass: it would be of another setting. The setting is as it was
   set, not as the slider rounds it; to have it set once more by that pass must not ask again. */
const fill = chosen => {
  if (run()) asked = null;
  else if (recorded && asked !== JSON.stringify(chosen)) report(chosen);
};

const stop = () => {
  clearInterval(playing);
  playing = null;
  element.querySelector(".play")?.replaceChildren("▶");
};

const play = () => {
  if (playing) return stop(), tell();
  range().value = 0;
  paint();
  element.querySelector(".play").replaceChildren("❚❚");
  playing = setInterval(() => {
    if (Number(range().value) >= 95) return stop(), tell();
    range().stepUp();
    paint();
  }, 400);
};

element.addEventListener("input", event => {
  touched = Date.now();
  stop();
  paint();
});
element.addEventListener("change", tell);
element.addEventListener("click", event => event.target.closest(".play") && play());

/* K, R and method as they are set elsewhere on the page, or by a link; not while the slider is being moved. */
const follow = (k, r, method) => {
  if (playing || Date.now() - touched < 1500) return;
  const marked = (name, value) => element.querySelectorAll(`[name=scrub-${name}]`).forEach(box => {
    box.checked = box.value === String(value);
  });
  Object.assign(root().dataset, {k, method});
  marked("k", k);
  marked("method", method);
  range().value = r;
  paint();
  fill({k, r, method});
};
element.addEventListener("follow", event => follow(...event.detail));

const open = () => {
  stop();
  recorded = JSON.parse(root().dataset.recorded ?? "null");
  range().value = root().dataset.r;
  label();
  const isOther = of !== null && of !== root().dataset.of, isShown = part("#answers .text")?.textContent.trim();
  of = root().dataset.of;
  if (run()) page.classList.remove("outdated");
  else if (isOther && isShown) page.classList.add("outdated");
  if (isOther) {
    asked = null;
    fill({k: Number(root().dataset.k), r: Number(root().dataset.r), method: root().dataset.method});
  }
};
open();
watch("value", open);
