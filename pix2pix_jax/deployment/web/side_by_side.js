// The results of several runs for one picture, beside each other.

import { download, draw, isCoarse } from "./pictures.js";
import { duration } from "./texts.js";

function show(card, image) {
  const canvas = card.querySelector("canvas");
  draw(canvas, image);
  canvas.hidden = false;
  card.classList.toggle("coarse", isCoarse(image));
}

export class SideBySide {
  constructor(element) {
    this.element = element;
    this.results = element.querySelector(".results");
    this.source = element.querySelector(".source");
    this.expected = element.querySelector(".expected");
    this.template = element.querySelector("template");
    this.shown = []; // answers; null if there is none for the picture
  }

  /** A card for each run, still empty. */
  prepare(runs) {
    this.runs = runs;
    this.shown = runs.map(() => null);
    this.element.querySelector(".inputs").hidden = true;
    this.results.replaceChildren(...runs.map((run, number) => {
      const card = this.template.content.firstElementChild.cloneNode(true);
      const canvas = card.querySelector("canvas");
      [canvas.height, canvas.width] = run.size.map((side) => Math.ceil(side * run.scale));
      canvas.setAttribute("aria-label", `Result of ${run.name}`);
      card.querySelector(".name").textContent = run.name;
      const button = card.querySelector("button");
      button.setAttribute("aria-label", `Download the result of ${run.name}`);
      button.addEventListener("click", () => download(this.shown[number].result, run.name));
      return card;
    }));
  }

  /** Another picture was given: what is shown is not of it. */
  begin() {
    for (const card of this.results.children) card.classList.add("old");
  }

  /**
   * Show the answer for a run, which is a result or a failure.
   *
   * @param target The address of the expected result, if there is one.
   */
  show(number, answer, target) {
    const card = this.results.children[number], failed = answer.kind === "error";
    card.classList.remove("old");
    card.classList.toggle("failed", failed);
    Object.assign(card.querySelector("button"), { disabled: false, hidden: failed });
    this.shown[number] = failed ? null : answer;
    if (failed) {
      card.querySelector("canvas").hidden = true;
      card.querySelector(".time").textContent = answer.text;
      return;
    }
    const { source, result, milliseconds } = answer;
    card.querySelector(".time").textContent = duration(milliseconds);
    show(card, result);
    show(this.source, source);
    this.expected.hidden = !target;
    if (target) this.expected.querySelector("img").src = target;
    this.expected.classList.toggle("coarse", isCoarse(result));
    this.element.querySelector(".inputs").hidden = false;
  }
}
