// The page: what a visitor gives, what the worker makes of it, and how both are shown.

import { Camera } from "./camera.js";
import { Compare } from "./compare.js";
import { Drawing } from "./drawing.js";
import { Numbers } from "./numbers.js";
import { download, inSize, pixelsOf } from "./pictures.js";
import { SideBySide } from "./side_by_side.js";
import { about, megabytes, summary } from "./texts.js";
import { targetOf, viewsOf } from "./views.js";

const find = (selector) => document.querySelector(selector);

const compare = new Compare(find("#compare"));
const sideBySide = new SideBySide(find("#side-by-side"));
const drawing = new Drawing(find("#drawing"), () => give({ file: drawing.image, drawn: true }));
const numbers = new Numbers(find("#numbers"), () => {
  const known = given.get(run.group);
  if (!known) return;
  // What is expected of an example has other numbers.
  const changed = { ...known, example: undefined, numbers: [...numbers.values] };
  given.set(run.group, changed);
  translate(changed);
});
const camera = new Camera(find("#video"), give);
const given = new Map(); // the picture that was given last, by the kind of source
let contents, worker, shown;
let view, run; // the runs that are looked at, and the first of them
let asked = null; // the example that is being loaded
let base = null; // the source shown last that was not drawn
let current = null, next = null, slow; // jobs: in the worker, and waiting for it; a timer

function fail(text) {
  find("#error").textContent = text;
  find("#error").hidden = false;
  find("#status").textContent = "";
}

// ---- Jobs: a picture goes through the runs of the view one after the other, so that there is never
// more than one in the worker. Of the pictures that come meanwhile, only the last is translated.

function give(picture) {
  asked = null;
  if (!picture.then) find("#live").checked = false;
  markExample(picture.example);
  translate(picture);
  given.set(run.group, { ...picture, numbers: [...numbers.values] });
}

function translate(picture) {
  const values = run.examples[picture.example]?.numbers ?? picture.numbers;
  if (values) numbers.show(values);
  next = { ...picture, view, answers: [], numbers: [...numbers.values] };
  find("#output").classList.add("busy");
  sideBySide.begin();
  if (!find("#error").hidden) find("#error").hidden = true;
  send();
}

function send() {
  if (current || !next) return;
  [current, next] = [next, null];
  const { view: { runs }, answers, file, numbers } = current, of = runs[answers.length];
  const which = runs.length > 1 ? ` with ${of.name}` : "";
  slow = setTimeout(() => { find("#status").textContent = `Translating${which} ...`; }, 400);
  worker.postMessage({ run: of, file, numbers });
}

function finish(answer) {
  const job = current;
  current = null;
  clearTimeout(slow);
  job.answers.push(answer);
  if (answer.kind === "error") find("#live").checked = false;
  if (job.view === view) show(job, answer);
  const ended = answer.unreadable || job.answers.length === job.view.runs.length;
  if (!next && !ended && job.view === view) next = job;
  send();
  if (current) return;
  find("#output").classList.remove("busy");
  if (job.then) job.then();
}

function show(job, answer) {
  const several = job.view.runs.length > 1, failed = answer.kind === "error";
  if (failed && (!several || answer.unreadable)) {
    fail(answer.text);
    return;
  }
  if (!failed && !job.drawn) base = answer.source;
  find("#over").disabled = base === null;
  if (several) sideBySide.show(job.answers.length - 1, answer, targetOf(job.view, job.example));
  else showOne(job, answer);
  find("#side-by-side").hidden = !several;
  find("#comparison").hidden = several;
  find("#status").textContent = summary(job.view.runs, job.answers);
  describe(job.answers);
}

function showOne(job, answer) {
  shown = { ...answer, target: targetOf(job.view, job.example) };
  find("#with-target").hidden = !shown.target;
  compareShown();
}

async function compareShown() {
  const now = shown, { source, result } = now;
  let target = null;
  if (now.target && find("#target").checked) {
    target = await pixelsOf(now.target, result).catch((error) => {
      fail(`The expected result cannot be shown: ${error.message}`);
      return null;
    });
    if (now !== shown) return; // another picture has been translated meanwhile
  }
  find(".tag.start").textContent = target ? "expected" : "source";
  compare.show(target ?? inSize(source, result), result);
}

function describe(answers = []) {
  find("#about").textContent = about(view.runs, answers, contents);
}

// ---- Views

function choose(chosen) {
  asked = null;
  view = chosen;
  run = view.runs[0];
  base = null;
  document.title = `${view.title}: pix2pix`;
  find("#name").textContent = view.title;
  find("#status").textContent = "";
  find("#output-title").textContent = view.runs.length > 1 ? "Results" : "Result";
  find("#comparison").hidden = true;
  find("#side-by-side").hidden = view.runs.length === 1;
  sideBySide.prepare(view.runs);
  numbers.prepare(run);
  describe();
  listExamples();
  find("#draw").hidden = run.brushes.length === 0;
  open(null);
  if (run.brushes.length) {
    drawing.prepare(run);
    find(".width input").value = run.brushes.length > 2 ? Math.max(Math.round(run.size[1] / 24), 3) : Math.max(Math.round(run.size[1] / 128), 1);
  }
  const known = given.get(run.group);
  if (known) {
    markExample(known.example);
    translate(known);
  } else if (run.examples.length) {
    giveExample(0);
  } else {
    find("#status").textContent = "Give a picture, and its translation appears here.";
  }
}

function listViews() {
  const views = viewsOf(contents.runs);
  find("#views").hidden = views.length < 2;
  find("#views").replaceChildren(...views.map((each, number) => {
    const label = document.createElement("label"), choice = document.createElement("input");
    const text = document.createElement("span");
    Object.assign(choice, { type: "radio", name: "view", checked: number === 0 });
    choice.addEventListener("change", () => choose(each));
    text.textContent = each.label;
    label.append(choice, text);
    return label;
  }));
  choose(views[0]);
}

function listExamples() {
  find("#examples").hidden = run.examples.length === 0;
  find("#examples .strip").replaceChildren(...run.examples.map(({ source }, number) => {
    const button = document.createElement("button"), image = document.createElement("img");
    Object.assign(button, { type: "button", onclick: () => giveExample(number) });
    Object.assign(image, { src: source, alt: `Example ${number + 1}`, width: run.size[1], height: run.size[0] });
    button.append(image);
    return button;
  }));
}

function markExample(number) {
  [...find("#examples .strip").children].forEach((button, each) => {
    button.setAttribute("aria-pressed", each === number);
  });
}

async function giveExample(number) {
  const example = run.examples[number];
  asked = example;
  const answer = await fetch(example.source).catch(() => null);
  if (asked !== example) return; // something else was given or chosen meanwhile
  if (!answer || !answer.ok) fail("This example could not be loaded. Is the folder of this page complete?");
  else give({ file: await answer.blob(), example: number });
}

// ---- What visitors give

function open(panel) {
  for (const [button, name] of [["#draw", "#drawing"], ["#camera", "#video"]]) {
    find(name).hidden = name !== panel;
    find(button).setAttribute("aria-expanded", name === panel);
  }
  if (panel !== "#video") camera.stop();
}

function giveFile(file) {
  if (file) give({ file });
}

function fileOf(transfer) {
  return [...(transfer?.files ?? [])][0];
}

function listen() {
  find("#file").addEventListener("change", ({ target }) => {
    giveFile(target.files[0]);
    target.value = ""; // the same file may be chosen again
  });
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    document.body.classList.add("dropping");
  });
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) document.body.classList.remove("dropping");
  });
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    document.body.classList.remove("dropping");
    const file = fileOf(event.dataTransfer);
    if (file) giveFile(file);
    else fail("That was not a file; save the picture first, or copy and paste it.");
  });
  document.addEventListener("paste", (event) => {
    const file = fileOf(event.clipboardData);
    if (file) giveFile(file);
    else fail("There is no picture in the clipboard.");
  });
  find("#draw").addEventListener("click", () => {
    const opens = find("#drawing").hidden;
    open(opens ? "#drawing" : null);
    if (!opens) return;
    // A label map is more easily changed than made; a sketch begins with a white sheet.
    if (run.brushes.length > 2 && base && drawing.untouched) drawing.load(base);
    else give({ file: drawing.image, drawn: true });
  });
  find("#over").addEventListener("click", () => drawing.load(base));
  find("#camera").addEventListener("click", () => (find("#video").hidden ? startCamera() : open(null)));
  find("#target").addEventListener("change", () => { if (shown) compareShown(); });
  find("#download").addEventListener("click", () => download(
    shown.result, run.name, () => fail("The picture is too large for this browser to save.")));
}

async function startCamera() {
  open("#video");
  await camera.start().catch((error) => {
    open(null);
    fail(error.message);
  });
}

// ---- Start

function receive({ data }) {
  if (data.kind === "ready") {
    listViews();
  } else if (data.kind === "progress") {
    const of = data.total ? ` of ${megabytes(data.total)}` : "";
    const { view: { runs }, answers } = current, which = runs.length > 1 ? ` ${runs[answers.length].name}` : "";
    find("#status").textContent = `Loading the model${which}: ${megabytes(data.received)}${of} ...`;
  } else {
    finish(data);
  }
}

async function start() {
  find("#waiting").hidden = true;
  find("#page").hidden = false;
  if (typeof WebAssembly !== "object" || typeof OffscreenCanvas !== "function") {
    fail("This browser has no WebAssembly or is too old, and the page needs it. Current versions of Chrome, Edge, Firefox and Safari have it.");
    return;
  }
  const answer = await fetch("page.json").catch(() => null);
  if (!answer || !answer.ok) {
    fail("page.json could not be loaded. Is the folder of this page complete?");
    return;
  }
  contents = await answer.json();
  worker = new Worker(new URL("translate.js", import.meta.url), { type: "module" });
  worker.addEventListener("message", receive);
  worker.addEventListener("error", () => fail("The part of the page that runs models could not be loaded. Is the folder of this page complete, and does the server send .mjs and .wasm files with the right types?"));
  listen();
}

start();
