/* Draws where each layer looks, from the data in data-reading, and what a cut at K and R takes. Everything moves here in
   the browser; what was chosen is told to the page, which keeps it in the address and shares K and R with other tabs.
   Gradio gives element, trigger and watch; frames.js stands before this file in the same script. */
const PARTS = ["system", "image", "question", "answer"];
let reading = null, chosen = {word: 0, layer: 0, k: 2, r: 50}, lit = -1, timer = 0;

const find = selector => element.querySelector(selector);
const all = selector => [...element.querySelectorAll(selector)];
const bytes = text => Uint8Array.from(atob(text), letter => letter.charCodeAt(0));
const percent = share => `${(100 * share).toFixed(share > 0 && share < 0.0995 ? 1 : 0)}%`;
const within = (value, low, high) => Math.min(Math.max(value, low), high);
const span = (name, text = "") => Object.assign(document.createElement("span"), {className: name, textContent: text});

async function open() {
  const root = find(".xray");
  const text = root?.dataset.reading;
  if (!text) return;
  const made = JSON.parse(text);
  const pictures = await Promise.all(made.frames.map(async frame => {
    const picture = Object.assign(new Image(), {src: frame.picture});
    await picture.decode();
    return picture;
  }));
  if (find(".xray") !== root || root.dataset.reading !== text) return;  // another one came meanwhile
  reading = {...made, root, pictures, orders: new Map(), levels: bytes(made.maps), by_head: bytes(made.head_maps)};
  reading.ranks = new Float32Array(bytes(made.ranking).buffer);
  const [k, r] = window.fastvCut ?? [chosen.k, chosen.r];
  chosen = {k: within(k, 0, last_layer()), r, word: number(root.dataset.word, made.last, made.words.length), layer: 0};
  chosen.layer = number(root.dataset.layer, attending_before(chosen.k), made.layers.length);
  lit = -1;
  build();
  draw();
}

const number = (text, usual, count) => text !== "" && Number(text) < count ? Number(text) : Math.min(usual, count - 1);
const last_layer = () => reading.layers.at(-1);
const attending_before = k => reading.layers.filter(layer => layer < k).length;  // in some models few layers attend

/* Data: the map of a word in a layer, and the patches that a cut drops. */
function level(word, layer) {
  const start = (word * reading.layers.length + layer) * reading.visual;
  return reading.levels.subarray(start, start + reading.visual);
}

function order(layer) {  // as the engine sorts: the highest first, of equal ones the earlier
  if (!reading.orders.has(layer)) {
    const row = reading.ranks.subarray(layer * reading.visual, (layer + 1) * reading.visual);
    reading.orders.set(layer, [...row.keys()].sort((a, b) => row[b] - row[a] || a - b));
  }
  return reading.orders.get(layer);
}

function kept_count(r) {  // Python's round: ties to even
  const exact = reading.visual * (1 - r / 100), below = Math.floor(exact + 1e-9);
  const rest = exact - below;
  return Math.abs(rest - 0.5) < 1e-9 ? below + below % 2 : Math.round(exact);
}

function dropped() {  // 1 for each visual token that goes; null where nothing is ranked
  const layer = attending_before(chosen.k) - 1;
  if (layer < 0) return null;
  const gone = new Uint8Array(reading.visual);
  for (const token of order(layer).slice(kept_count(chosen.r))) gone[token] = 1;
  return gone;
}

/* Elements, built once for a reading */
function build() {
  const {words, layers, root} = reading;
  for (const [kind, row] of [["question", "read"], ["answer", "written"]]) {
    find(`.token-row.${row}`).replaceChildren(...words.flatMap((word, index) => word.kind === kind ? [button("token", index, word.text)] : []));
  }
  find(".layer-bars").replaceChildren(...layers.map((layer, index) => {
    const bar = button("layer-bar", index, "");
    bar.append(...PARTS.map(part => span(`part-${part}`)), span("number", layer));
    return bar;
  }));
  find(".layer-film").replaceChildren(...layers.map((layer, index) => framed("layer-frame", index)));
  find(".things-left").replaceChildren(...reading.things.map((thing, index) => {
    const item = button("thing-left", index, "");
    item.append(span("name", thing.name), span("rest"), span("meter"));
    return item;
  }));
  find(".cut-line").setAttribute("aria-valuemax", last_layer());
  find(".k").max = last_layer();
  root.classList.toggle("many", layers.length > 16);
  root.hidden = false;
}

function button(name, index, text) {
  const made = Object.assign(document.createElement("button"), {type: "button", className: name, textContent: text});
  made.dataset.index = index;
  return made;
}

function framed(name, index) {
  const made = button(name, index, "");
  made.append(document.createElement("canvas"), span("caption"));
  return made;
}

function draw() {
  if (!reading) return;
  const {layers, root, words, last} = reading, {word, layer, k, r} = chosen;
  const gone = dropped(), shares = reading.shares[word], mine = shares[layer];
  const looks = words[word].kind === "question" ? `“${words[word].text}”` : `The token that writes “${words[word].text}”`;
  press(".token", word);
  press(".layer-bar", layer);
  press(".layer-frame", layer);
  all(".token").forEach(one => one.classList.toggle("ranks", Number(one.dataset.index) === last));

  paint(find(".look canvas"), level(word, layer), layers[layer] >= k ? gone : null, 672);
  const told = `${looks} in layer ${layers[layer]}: ${percent(mine[1])} of its attention goes to the image`;
  find(".look figcaption").textContent = `${told}.`;
  find(".look canvas").setAttribute("aria-label", told);

  all(".layer-bar").forEach((bar, index) => {
    const parts = shares[index], levels = level(word, index);
    let lost = 0, whole = 0;
    levels.forEach((value, token) => { whole += value * value; if (gone?.[token]) lost += value * value; });
    PARTS.forEach((part, number) => { bar.children[number].style.height = `${100 * parts[number]}%`; });
    const taken = layers[index] >= k && gone ? lost / (whole || 1) : 0;
    bar.querySelector(".part-image").style.setProperty("--taken", `${100 * taken}%`);
    bar.ariaLabel = `Layer ${layers[index]}: ` + PARTS.map((part, number) => `${part} ${percent(parts[number])}`).join(", ");
    bar.title = bar.ariaLabel;
  });
  all(".layer-frame").forEach((frame, index) => {
    paint(frame.querySelector("canvas"), level(word, index), layers[index] >= k ? gone : null, layers.length > 16 ? 96 : 168);
    frame.querySelector(".caption").textContent = `${layers[index]} · ${percent(shares[index][1])}`;
    frame.ariaLabel = `Layer ${layers[index]}, ${percent(shares[index][1])} of the attention to the image`;
  });
  draw_cut(gone);
  draw_heads();
}

function draw_cut(gone) {
  const {k, r} = chosen, {layers, visual} = reading;
  const cut = find(".cut-line"), place = attending_before(k);
  cut.style.left = `${100 * place / layers.length}%`;
  cut.setAttribute("aria-valuenow", k);
  cut.setAttribute("aria-valuetext", `K=${k}`);
  Object.assign(find(".k"), {value: k});
  Object.assign(find(".r"), {value: r});
  find(".k-value").textContent = k;
  find(".r-value").textContent = `${r}%`;
  const kept = kept_count(r), ranks = place - 1;
  let words;
  if (gone) {
    const row = reading.ranks.subarray(ranks * visual, (ranks + 1) * visual);
    let sum = 0, lost = 0;
    row.forEach((value, token) => { sum += value; if (gone[token]) lost += value; });
    words = `On entering layer ${k}, ${visual - kept} of ${visual} patches go: those that the last prompt token attends to `
      + `least in layer ${layers[ranks]}. They hold ${percent(lost / sum)} of its attention to the image there.`;
  } else {
    words = k === 0 ? "At K=0 no layer has looked yet: patches would be dropped at random, so none are marked."
      : `No layer before layer ${k} attends, so that there is nothing to rank by.`;
  }
  find(".cut-takes").textContent = words;
  all(".thing-left").forEach((item, index) => {
    const {name, tokens} = reading.things[index], left = tokens.filter(token => !gone?.[token]).length;
    item.querySelector(".rest").textContent = `${left} of ${tokens.length}`;
    item.querySelector(".meter").style.setProperty("--left", `${100 * left / (tokens.length || 1)}%`);
    item.ariaLabel = `${name}: ${left} of ${tokens.length} patches left`;
    item.classList.toggle("lost", left <= 0.1 * tokens.length);
    item.setAttribute("aria-pressed", index === lit);
  });
}

function draw_heads() {
  const {heads, visual, layers, head_shares, last} = reading, {word, layer} = chosen, box = find(".heads");
  box.hidden = !heads;
  find(".heads summary b").textContent = layers[layer];
  if (!heads || !box.open) return;
  find(".heads .note").hidden = word === last;
  const strip = find(".heads .strip-of-heads");
  strip.hidden = word !== last;
  if (strip.children.length !== heads) strip.replaceChildren(...Array.from({length: heads}, (_, index) => framed("head-frame", index)));
  all(".head-frame").forEach((item, head) => {
    const start = (layer * heads + head) * visual;
    paint(item.querySelector("canvas"), reading.by_head.subarray(start, start + visual), null, heads > 16 ? 96 : 168);
    item.querySelector(".caption").textContent = `head ${head} · ${percent(head_shares[layer][head])}`;
  });
}

function press(selector, index) {
  all(selector).forEach(one => {
    const is = Number(one.dataset.index) === index;
    one.setAttribute("aria-pressed", is);
    one.tabIndex = is ? 0 : -1;
  });
}

/* What is chosen */
function choose(changes) {
  const next = {...chosen, ...changes};
  if (!reading || Object.keys(next).every(name => next[name] === chosen[name])) return;
  chosen = next;
  draw();
  clearTimeout(timer);
  timer = setTimeout(() => trigger("click", chosen), 150);
}

const KINDS = {token: "word", "layer-bar": "layer", "layer-frame": "layer"};
const kind_of = target => target.closest(".token, .layer-bar, .layer-frame, .thing-left");

element.addEventListener("click", event => {
  const target = kind_of(event.target);
  if (!target) return;
  const name = KINDS[target.className.split(" ")[0]], index = Number(target.dataset.index);
  if (name) choose({[name]: index});
  else { lit = lit === index ? -1 : index; draw(); }
});

element.addEventListener("keydown", event => {
  const step = {ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1}[event.key];
  if (!step || !reading) return;
  const target = kind_of(event.target), cut = event.target.closest(".cut-line");
  if (cut) {
    event.preventDefault();
    choose({k: within(chosen.k + step, 0, last_layer())});
  } else if (target && KINDS[target.className.split(" ")[0]]) {
    event.preventDefault();
    const name = target.className.split(" ")[0], some = all(`.${name}`);
    const next = some[some.indexOf(target) + (name === "token" ? step : Math.sign(step))];
    if (!next) return;
    choose({[KINDS[name]]: Number(next.dataset.index)});
    next.focus({preventScroll: name === "layer-bar"});
  }
});

element.addEventListener("input", event => {
  if (event.target.matches(".k")) choose({k: Number(event.target.value)});
  if (event.target.matches(".r")) choose({r: Number(event.target.value)});
});

element.addEventListener("toggle", draw_heads_when_open, true);
function draw_heads_when_open() { if (reading) draw_heads(); }

/* The handle between two bars: drag it to choose K. */
element.addEventListener("pointerdown", event => {
  const cut = event.target.closest(".cut-line");
  if (!cut || !reading) return;
  cut.setPointerCapture(event.pointerId);
  const move = now => {
    const {left, width} = find(".layer-bars").getBoundingClientRect();
    const place = Math.round((now.clientX - left) / width * reading.layers.length);
    choose({k: place < 1 ? 0 : within((reading.layers[place - 1] ?? Infinity) + 1, 0, last_layer())});
  };
  cut.addEventListener("pointermove", move);
  cut.addEventListener("lostpointercapture", () => cut.removeEventListener("pointermove", move), {once: true});
});

/* K and R as other tabs set them. */
window.fastvShowCut = text => {
  const [k, r] = text.split(",").map(Number);
  window.fastvCut = [k, r];
  if (reading) { chosen = {...chosen, k: within(k, 0, last_layer()), r}; draw(); }
};

watch("value", open);
open();
