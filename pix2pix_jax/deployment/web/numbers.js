// The numbers beside a picture, such as an hour or a dose: a slider for each.

// How many digits after the point tell a hundredth of the range; of no range, those of the value.
function digitsOf({ low, high }) {
  const range = high - low || Math.abs(low) || 1;
  return Math.min(Math.max(2 - Math.floor(Math.log10(range)), 0), 100);
}

export class Numbers {
  /**
   * @param element Where the sliders are.
   * @param changed Called when one of them was moved.
   */
  constructor(element, changed) {
    Object.assign(this, { element, changed, values: [] });
  }

  /** A slider for each number of a run, over its range in training. */
  prepare({ numbers }) {
    this.values = numbers.map(({ mean }) => mean);
    this.element.hidden = numbers.length === 0;
    this.sliders = numbers.map((number, place) => {
      const label = document.createElement("label"), slider = document.createElement("input");
      const { low, high } = number, digits = digitsOf(number);
      Object.assign(slider, { type: "range", min: low, max: high, step: "any", disabled: low === high });
      slider.addEventListener("input", () => {
        const rounded = Number(Number(slider.value).toFixed(digits));
        this.write(place, Math.min(Math.max(rounded, low), high));
      });
      slider.addEventListener("change", () => this.changed());
      label.append(number.name, slider, document.createElement("output"));
      return { label, slider, digits };
    });
    this.element.replaceChildren(this.element.firstElementChild, ...this.sliders.map(({ label }) => label));
    this.show(this.values);
  }

  /** Take the values of an example, or of a picture that was given before. */
  show(values) {
    values.forEach((value, place) => {
      this.sliders[place].slider.value = value;
      this.write(place, value);
    });
  }

  write(place, value) {
    this.values[place] = value;
    const { label, digits } = this.sliders[place];
    label.querySelector("output").textContent = Number(value.toFixed(digits));
  }
}
