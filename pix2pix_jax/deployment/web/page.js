// The page: what a visitor gives, what the worker makes of it, and how both are shown.

import { Compare } from "./compare.js";
import { Drawing } from "./drawing.js";

const find = (selector) => document.querySelector(selector);
const megabytes = (bytes) => (bytes < 1e6
  ? `${Math.ceil(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`);
const duration = (milliseconds) => (milliseconds < 1000
  ? `${Math.max(Math.round(milliseconds), 1)} ms` : `${(milliseconds / 1000).toFixed(1)} s`);

const compare = new Compare(find("#compare"));
const drawing = new Drawing(find("#drawing"), () => give({ file: drawing.image, drawn: true }));
const video = find("video");
const given = new Map(); // the picture that was given last, by the kind of source
let contents, run, worker, shown;
let base = null; // the source shown last that was not drawn
let current = null, next = null, slow; // jobs: in the worker, and waiting for it; a timer

function fail(text) {
  find("#error").textContent = text;
  find("#error").hidden = false;
  find("#status").textContent = "";
}

// ---- Jobs: one at a time, and of those that come meanwhile only the last.

function give(picture) {
  if (!picture.then) find("#live").checked = false;
  given.set(run.group, picture);
  markExample(picture.example);
  translate(picture);
}

function translate(picture) {
  next = { ...picture, run };
  find("#compare").classList.add("busy");
  if (!find("#error").hidden) find("#error").hidden = true;
  send();
}

function send() {
  if (current || !next) return;
  [current, next] = [next, null];
  slow = setTimeout(() => { find("#status").textContent = "Translating ..."; }, 400);
  worker.postMessage({ run: current.run, file: current.file });
}

function finish(answer) {
  const job = current;
  current = null;
  clearTimeout(slow);
  if (answer.kind === "error") {
    fail(answer.text);
    find("#live").checked = false;
  } else if (job.run === run) show(job, answer);
  if (!next) find("#compare").classList.remove("busy");
  send();
  if (!next && !current && job.then) job.then();
}

function show(job, answer) {
  shown = { ...answer, job };
  if (!job.drawn) base = answer.source;
  find("#over").disabled = base === null;
  find("#with-target").hidden = !job.target;
  find("#comparison").hidden = false;
  const loaded = answer.model.seconds === null ? ""
    : ` The model (${megabytes(answer.model.bytes)}) took ${duration(1000 * answer.model.seconds)} to load.`;
  find("#status").textContent = `${answer.result.width} x ${answer.result.height} pixels in ${duration(answer.milliseconds)} on this device.${loaded}`;
  describe(answer);
  compareShown();
}

async function compareShown() {
  const { job, source, result } = shown;
  const target = job.target && find("#target").checked ? await pixelsOf(job.target, result) : null;
  find(".tag.start").textContent = target ? "expected" : "source";
  compare.show(target ?? source, result);
}

// A picture of the page's folder, in the size of another one.
async function pixelsOf(address, { width, height }) {
  const image = new Image();
  image.src = address;
  await image.decode();
  const context = new OffscreenCanvas(width, height).getContext("2d");
  context.drawImage(image, 0, 0, width, height);
  return context.getImageData(0, 0, width, height);
}

function describe(answer) {
  const threads = answer ? ` on ${answer.threads} ${answer.threads === 1 ? "thread" : "threads"}` : "";
  const size = answer ? `, ${megabytes(answer.model.bytes)}` : "";
  find("#about").textContent = `${run.network}, step ${run.step}; ${run.mode} mode: no dropout, so the same picture always gives the same result. Weights of ${run.weights}${size}. Made by pix2pix_jax ${contents.version}; onnxruntime-web ${contents.runtime} runs it as WebAssembly${threads}.`;
}

// ---- Models

function choose(chosen) {
  run = chosen;
  base = null;
  document.title = `${run.name}: pix2pix`;
  find("#name").textContent = run.name;
  find("#status").textContent = "";
  find("#comparison").hidden = true;
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

function listRuns() {
  find("#runs").hidden = contents.runs.length < 2;
  find("#runs").replaceChildren(...contents.runs.map((each, number) => {
    const label = document.createElement("label"), choice = document.createElement("input");
    const text = document.createElement("span");
    Object.assign(choice, { type: "radio", name: "run", checked: number === 0 });
    choice.addEventListener("change", () => choose(each));
    text.textContent = each.name;
    label.append(choice, text);
    return label;
  }));
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
  const of = run, { source, target } = run.examples[number];
  const answer = await fetch(source).catch(() => null);
  if (of !== run) return;
  if (!answer || !answer.ok) fail("This example could not be loaded. Is the folder of this page complete?");
  else give({ file: await answer.blob(), example: number, target });
}

// ---- What visitors give

function open(panel) {
  for (const [button, name] of [["#draw", "#drawing"], ["#camera", "#video"]]) {
    find(name).hidden = name !== panel;
    find(button).setAttribute("aria-expanded", name === panel);
  }
  if (panel !== "#video") stopCamera();
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
  find("#shoot").addEventListener("click", () => shoot());
  find("#live").addEventListener("change", () => shoot());
  find("#target").addEventListener("change", () => { if (shown) compareShown(); });
  find("#download").addEventListener("click", download);
}

async function startCamera() {
  open("#video");
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
  } catch (error) {
    const reasons = { NotAllowedError: "its use was not allowed", NotFoundError: "there is none", NotReadableError: "another program uses it" };
    const reason = navigator.mediaDevices ? reasons[error.name] ?? error.message
      : "browsers give it to pages by https or from this device alone";
    open(null);
    fail(`The camera cannot be used: ${reason}.`);
    return;
  }
  if (find("#video").hidden) stop(stream); // closed while the visitor was asked
  else video.srcObject = stream;
}

function stop(stream) {
  for (const track of stream?.getTracks() ?? []) track.stop();
}

function stopCamera() {
  stop(video.srcObject);
  video.srcObject = null;
  find("#live").checked = false;
}

// Translate what the camera sees now; if that is wanted, again after each result.
async function shoot() {
  if (!video.srcObject || !video.videoWidth) return;
  const { videoWidth: width, videoHeight: height } = video;
  const context = new OffscreenCanvas(width, height).getContext("2d");
  context.drawImage(video, 0, 0);
  const then = () => { if (find("#live").checked) requestAnimationFrame(shoot); };
  give({ file: context.getImageData(0, 0, width, height), then });
}

function download() {
  const canvas = document.createElement("canvas");
  Compare.draw(canvas, shown.result);
  canvas.toBlob((blob) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = `${shown.job.run.name}.png`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  });
}

// ---- Start

function receive({ data }) {
  if (data.kind === "ready") {
    listRuns();
    choose(contents.runs[0]);
  } else if (data.kind === "progress") {
    const of = data.total ? ` of ${megabytes(data.total)}` : "";
    find("#status").textContent = `Loading the model: ${megabytes(data.received)}${of} ...`;
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
