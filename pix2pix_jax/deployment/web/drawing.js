// A canvas to draw sources on, pixel by pixel: label maps and sketches have no soft edges.

const MOST_UNDO = 30;

export class Drawing {
  /**
   * @param element The panel with the canvas and its tools.
   * @param changed Called after every stroke.
   */
  constructor(element, changed) {
    this.canvas = element.querySelector("canvas");
    this.cursor = element.querySelector(".cursor");
    this.chosen = element.querySelector(".chosen");
    this.colours = element.querySelector(".colours");
    this.tools = element.querySelector(".tools");
    this.width = element.querySelector(".width input");
    this.context = this.canvas.getContext("2d", { willReadFrequently: true });
    this.changed = changed;
    this.undone = [];
    this.at = { x: 0, y: 0 };
    this.start = null;
    element.querySelector(".undo").addEventListener("click", () => this.undo());
    element.querySelector(".empty").addEventListener("click", () => this.clear());
    this.colours.addEventListener("change", () => this.name());
    this.listen();
  }

  listen() {
    this.canvas.addEventListener("pointerdown", (event) => {
      this.canvas.setPointerCapture(event.pointerId);
      this.down(this.place(event));
    });
    this.canvas.addEventListener("pointermove", (event) => {
      if (!this.canvas.hasPointerCapture(event.pointerId)) return;
      for (const each of event.getCoalescedEvents?.() ?? []) this.move(this.place(each));
      this.move(this.place(event));
    });
    for (const name of ["pointerup", "pointercancel"]) {
      this.canvas.addEventListener(name, () => this.up());
    }
    this.canvas.addEventListener("keydown", (event) => this.key(event));
    this.canvas.addEventListener("blur", () => { this.up(); this.cursor.hidden = true; });
  }

  get image() {
    return this.context.getImageData(0, 0, this.canvas.width, this.canvas.height);
  }

  get untouched() {
    return this.undone.length === 0;
  }

  get colour() {
    return this.colours.querySelector(":checked").value.split(",").map(Number);
  }

  get tool() {
    return this.tools.querySelector(":checked").value;
  }

  /** Take the size and the colours of a run; start from an empty canvas. */
  prepare(run) {
    [this.canvas.height, this.canvas.width] = run.size;
    this.canvas.parentElement.style.setProperty("--ratio", run.size[1] / run.size[0]);
    this.background = run.brushes[0].colour;
    this.at = { x: run.size[1] >> 1, y: run.size[0] >> 1 };
    this.colours.replaceChildren(...run.brushes.map(({ colour, name }, number) => {
      const label = document.createElement("label");
      const choice = document.createElement("input");
      Object.assign(choice, { type: "radio", name: "colour", value: colour });
      choice.setAttribute("aria-label", name);
      // The first is the ground; with two colours, the other one is the pen.
      choice.checked = number === 1;
      label.title = name;
      label.style.setProperty("--colour", `rgb(${colour})`);
      label.append(choice);
      return label;
    }));
    this.name();
    this.undone = [];
    this.fill();
  }

  name() {
    this.chosen.textContent = this.colours.querySelector(":checked").getAttribute("aria-label");
  }

  /** Draw on top of a picture. */
  load(image) {
    this.keep();
    createImageBitmap(image).then((bitmap) => {
      this.context.imageSmoothingEnabled = false;
      this.context.drawImage(bitmap, 0, 0, this.canvas.width, this.canvas.height);
      this.changed();
    });
  }

  fill() {
    this.context.fillStyle = `rgb(${this.background})`;
    this.context.fillRect(0, 0, this.canvas.width, this.canvas.height);
  }

  clear() {
    this.keep();
    this.fill();
    this.changed();
  }

  keep() {
    this.undone.push(this.image);
    this.undone.splice(0, this.undone.length - MOST_UNDO);
  }

  undo() {
    const before = this.undone.pop();
    if (!before) return;
    this.context.putImageData(before, 0, 0);
    this.changed();
  }

  place(event) {
    const box = this.canvas.getBoundingClientRect();
    return {
      x: Math.floor((event.clientX - box.left) / box.width * this.canvas.width),
      y: Math.floor((event.clientY - box.top) / box.height * this.canvas.height),
    };
  }

  down(place) {
    this.up();
    this.keep();
    this.before = this.undone.at(-1);
    this.start = this.at = place;
    if (this.tool === "fill") this.flood(place);
    else this.move(place);
  }

  move(place) {
    if (!this.start) return;
    if (this.tool === "brush") this.line(this.at, place);
    if (this.tool === "box") {
      this.context.putImageData(this.before, 0, 0);
      const left = Math.min(this.start.x, place.x), top = Math.min(this.start.y, place.y);
      this.context.fillStyle = `rgb(${this.colour})`;
      this.context.fillRect(
        left, top, Math.abs(place.x - this.start.x) + 1, Math.abs(place.y - this.start.y) + 1);
    }
    this.at = place;
  }

  up() {
    if (!this.start) return;
    this.start = null;
    this.changed();
  }

  line(from, to) {
    const steps = Math.max(Math.abs(to.x - from.x), Math.abs(to.y - from.y), 1);
    this.context.fillStyle = `rgb(${this.colour})`;
    for (let step = 0; step <= steps; step++) {
      const share = step / steps;
      this.dot(Math.round(from.x + share * (to.x - from.x)), Math.round(from.y + share * (to.y - from.y)));
    }
  }

  dot(x, y) {
    const width = Number(this.width.value), middle = (width - 1) / 2;
    for (let row = 0; row < width; row++) {
      const half = Math.sqrt((width / 2) ** 2 - (row - middle) ** 2);
      const first = Math.ceil(middle - half), last = Math.floor(middle + half);
      const left = Math.ceil(x - middle), top = Math.ceil(y - middle);
      this.context.fillRect(left + first, top + row, last - first + 1, 1);
    }
  }

  flood({ x, y }) {
    const image = this.image, { width, height } = image, words = new Uint32Array(image.data.buffer);
    if (x < 0 || y < 0 || x >= width || y >= height) return;
    const paint = new Uint32Array(Uint8Array.of(...this.colour, 255).buffer)[0];
    const old = words[y * width + x];
    const waiting = old === paint ? [] : [y * width + x];
    while (waiting.length) {
      const at = waiting.pop();
      if (words[at] !== old) continue;
      words[at] = paint;
      if (at % width > 0) waiting.push(at - 1);
      if (at % width < width - 1) waiting.push(at + 1);
      if (at >= width) waiting.push(at - width);
      if (at < width * (height - 1)) waiting.push(at + width);
    }
    this.context.putImageData(image, 0, 0);
  }

  // Arrows move a cursor, with Shift by ten pixels; Space and Enter put the pen down and lift it.
  key(event) {
    const step = event.shiftKey ? 10 : 1;
    const [dx, dy] = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] }[event.key] ?? [0, 0];
    const within = (value, end) => Math.min(Math.max(value, 0), end - 1);
    const place = { x: within(this.at.x + dx, this.canvas.width), y: within(this.at.y + dy, this.canvas.height) };
    if (event.key === " " || event.key === "Enter") {
      if (!this.start) this.down(place);
      else this.up();
      if (this.tool === "fill") this.up();
    } else if (event.key === "z" && (event.ctrlKey || event.metaKey)) {
      this.undo();
    } else if (dx || dy) {
      if (this.start) this.move(place);
      this.at = place;
    } else {
      return;
    }
    event.preventDefault();
    this.cursor.hidden = false;
    this.cursor.classList.toggle("down", this.start !== null);
    this.cursor.style.left = `${100 * (this.at.x + 0.5) / this.canvas.width}%`;
    this.cursor.style.top = `${100 * (this.at.y + 0.5) / this.canvas.height}%`;
  }
}
