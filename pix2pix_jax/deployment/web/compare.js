// Two pictures of one size on top of each other, with a line between them that can be moved.

import { draw, isCoarse } from "./pictures.js";

export class Compare {
  constructor(element) {
    this.element = element;
    this.left = element.querySelector(".left");
    this.right = element.querySelector(".right");
    this.slider = element.querySelector("input");
    this.frame = element.querySelector(".frame");
    this.slider.addEventListener("input", () => this.update());
    this.frame.addEventListener("pointerdown", (event) => {
      this.frame.setPointerCapture(event.pointerId);
      this.follow(event);
      this.slider.focus({ preventScroll: true });
      event.preventDefault();
    });
    this.frame.addEventListener("pointermove", (event) => {
      if (this.frame.hasPointerCapture(event.pointerId)) this.follow(event);
    });
    this.update();
  }

  follow(event) {
    const { left, width } = this.frame.getBoundingClientRect();
    this.slider.value = Math.min(Math.max(100 * (event.clientX - left) / width, 0), 100);
    this.update();
  }

  update() {
    const at = Number(this.slider.value);
    this.frame.style.setProperty("--at", `${at}%`);
    this.slider.setAttribute("aria-valuetext", `source ${Math.round(at)} %, result ${100 - Math.round(at)} %`);
  }

  show(left, right) {
    draw(this.left, left);
    draw(this.right, right);
    this.frame.style.setProperty("--width", left.width);
    this.frame.style.setProperty("--ratio", left.width / left.height);
    this.element.classList.toggle("coarse", isCoarse(left));
  }
}
