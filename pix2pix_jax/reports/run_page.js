"use strict";
{
  const all = (selector, from = document) => [...from.querySelectorAll(selector)];
  const curves = document.getElementById("curves");
  const { left, right, width, end } = Object.fromEntries(
    Object.entries(curves.dataset).map(([name, text]) => [name, Number(text)]));
  const count = (value) => value.toLocaleString("en");
  const number = (value) => Math.abs(value) >= 1000 ? count(value) : String(value);
  let shown = end; // the step whose numbers the charts show, unless the pointer is over one

  const charts = all(".chart").map((figure) => {
    const { steps, epochs, lines } = JSON.parse(figure.querySelector("script").textContent);
    const cursor = figure.querySelector(".cursor");
    const outputs = all("output", figure);
    const at = figure.querySelector(".at");
    const show = (step) => {
      let near = 0;
      steps.forEach((one, index) => {
        if (Math.abs(one - step) < Math.abs(steps[near] - step)) near = index;
      });
      const x = left + (right - left) * steps[near] / end;
      cursor.setAttribute("transform", `translate(${x.toFixed(1)})`);
      cursor.removeAttribute("hidden");
      outputs.forEach((output, index) => {
        const value = lines[index][near];
        output.textContent = value === null ? "–" : number(value);
      });
      const epoch = epochs[near];
      at.textContent = `step ${count(steps[near])}` + (epoch === null ? "" : `, epoch ${count(epoch)}`);
    };
    return { plot: figure.querySelector(":scope > svg"), show };
  });
  const showStep = (step) => charts.forEach((chart) => chart.show(step));

  for (const { plot } of charts) {
    plot.addEventListener("pointermove", (event) => {
      const box = plot.getBoundingClientRect();
      const x = (event.clientX - box.left) / box.width * width;
      showStep((x - left) / (right - left) * end);
    });
    plot.addEventListener("pointerleave", () => showStep(shown));
  }

  const player = document.getElementById("player");
  if (player) {
    const [slider, label, play, picture] =
      ["slider", "label", "play", "picture"].map((id) => document.getElementById(id));
    const strip = document.getElementById("strip");
    const images = all("img", strip);
    let timer = null;

    const show = (index) => {
      const image = images[index];
      slider.value = index;
      slider.setAttribute("aria-valuetext", image.dataset.label);
      label.textContent = image.dataset.label;
      picture.src = image.src;
      picture.alt = image.alt;
      const [wide, high] = [image.getAttribute("width"), image.getAttribute("height")];
      picture.parentElement.style.setProperty("--width", wide);
      picture.parentElement.style.setProperty("--ratio", wide / high);
      picture.className = image.className;
      images.forEach((one) => one.parentElement.removeAttribute("aria-current"));
      image.parentElement.setAttribute("aria-current", "true");
      shown = Number(image.dataset.step);
      showStep(shown);
    };
    const stop = () => {
      clearInterval(timer);
      timer = null;
      play.setAttribute("aria-pressed", "false");
      play.innerHTML = '<span aria-hidden="true">&#9654;</span> Play';
    };
    const next = () => {
      if (Number(slider.value) === images.length - 1) stop();
      else show(Number(slider.value) + 1);
    };
    const start = () => {
      if (Number(slider.value) === images.length - 1) show(0);
      timer = setInterval(next, 500);
      play.setAttribute("aria-pressed", "true");
      play.innerHTML = '<span aria-hidden="true">&#10074;&#10074;</span> Stop';
    };

    slider.addEventListener("input", () => { stop(); show(Number(slider.value)); });
    play.addEventListener("click", () => { if (timer === null) start(); else stop(); });
    images.forEach((image, index) => {
      image.parentElement.addEventListener("click", () => { stop(); show(index); });
    });
    show(images.length - 1);
    strip.open = false;
    player.hidden = false;
  } else {
    showStep(shown);
  }

  const copy = document.getElementById("copy");
  copy?.addEventListener("click", async () => {
    const command = document.getElementById("command");
    try {
      await navigator.clipboard.writeText(command.textContent);
      copy.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(command);
      copy.textContent = "Selected: press Ctrl+C";
    }
  });
}
