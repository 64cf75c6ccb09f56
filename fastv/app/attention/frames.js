/* The frames of a reading on a canvas: the picture greyed, what is attended to over it, dropped patches dark, and around
   the thing that is pointed at a line. attention.js, which follows in the same script, holds reading and lit. */
const SHADE = [24, 26, 32], STRENGTH = 0.8;  // of a dropped patch, as on the other tabs
const GAP = 6;  // pixels between frames

function boxes(width) {  // where each frame lies on a canvas of this width
  const columns = Math.ceil(Math.sqrt(reading.frames.length)), wide = (width - GAP * (columns - 1)) / columns;
  const high = wide * Math.max(...reading.pictures.map(one => one.naturalHeight / one.naturalWidth));
  const places = reading.pictures.map((one, index) => ({
    x: index % columns * (wide + GAP), y: Math.floor(index / columns) * (high + GAP), w: wide,
    h: wide * one.naturalHeight / one.naturalWidth,
  }));
  return {places, height: Math.max(...places.map(place => place.y + place.h))};
}

function paint(canvas, levels, gone, width) {
  const {places, height} = boxes(width);
  Object.assign(canvas, {width, height: Math.round(height)});
  const pen = canvas.getContext("2d");
  let first = 0;
  reading.frames.forEach((frame, index) => {
    const {x, y, w, h} = places[index];
    first += frame.lead;
    pen.drawImage(reading.pictures[index], x, y, w, h);
    pen.globalCompositeOperation = "saturation";
    pen.fillStyle = "#808080";
    pen.fillRect(x, y, w, h);
    pen.globalCompositeOperation = "source-over";
    pen.fillStyle = "rgba(20, 22, 30, 0.2)";
    pen.fillRect(x, y, w, h);
    if (frame.rows > 1) {  // one row: the tokens form no grid over the picture
      pen.imageSmoothingEnabled = false;
      pen.drawImage(heat(frame, levels, gone, first), x, y, w, h);
      pen.imageSmoothingEnabled = true;
      outline(pen, frame, first, places[index]);
    }
    first += frame.rows * across(frame);
  });
}

const across = frame => frame.columns + (frame.row_end ?? 0);  // tokens of a row: some may stand behind its patches

function heat(frame, levels, gone, first) {
  const grid = Object.assign(document.createElement("canvas"), {width: frame.columns, height: frame.rows});
  const pen = grid.getContext("2d"), picture = pen.createImageData(frame.columns, frame.rows);
  for (let index = 0; index < frame.rows * frame.columns; index++) {
    const token = first + Math.floor(index / frame.columns) * across(frame) + index % frame.columns, much = levels[token] / 255;
    const color = gone?.[token] ? [...SHADE, 255 * STRENGTH] : [255, 120 + 125 * much ** 2, 30 + 150 * much ** 4, 235 * much];
    picture.data.set(color, 4 * index);
  }
  pen.putImageData(picture, 0, 0);
  return grid;
}

function outline(pen, frame, first, box) {  // around the patches of the thing that is pointed at
  if (lit < 0) return;
  const inside = new Set(reading.things[lit].tokens.map(token => token - first));
  const w = box.w / frame.columns, h = box.h / frame.rows, row = across(frame);
  pen.beginPath();
  for (const index of inside) {
    const column = index % row, x = box.x + column * w, y = box.y + Math.floor(index / row) * h;
    if (!inside.has(index - row)) { pen.moveTo(x, y); pen.lineTo(x + w, y); }
    if (!inside.has(index + row)) { pen.moveTo(x, y + h); pen.lineTo(x + w, y + h); }
    if (!column || !inside.has(index - 1)) { pen.moveTo(x, y); pen.lineTo(x, y + h); }
    if (column === frame.columns - 1 || !inside.has(index + 1)) { pen.moveTo(x + w, y); pen.lineTo(x + w, y + h); }
  }
  pen.strokeStyle = "#fff";
  pen.lineWidth = Math.max(1.5, box.w / 200);
  pen.stroke();
}
