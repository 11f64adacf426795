// A worker that runs the networks, so that the page does not freeze meanwhile.

import * as ort from "./runtime/ort.wasm.bundle.min.mjs";
import { Kept } from "./kept.js";
import * as pixels from "./pixels.js";

const MOST_PIXELS = 1e8; // of a picture to decode, and of a result
const MOST_UNRESIZED = 4e6; // of a picture that the network sees at its own size
const MOST_MODELS = 5e8; // bytes of the files of models in memory, where they take several times that
const MOST_THREADS = 4;
const KINDS = { uint8: Uint8Array, uint16: Uint16Array, float32: Float32Array };

ort.env.wasm.wasmPaths = { wasm: new URL("runtime/ort-wasm-simd-threaded.wasm", import.meta.url).href };
// Threads need memory that is shared, which browsers give to isolated pages alone.
ort.env.wasm.numThreads = self.crossOriginIsolated
  ? Math.min(MOST_THREADS, navigator.hardwareConcurrency || 1) : 1;

/** A failure in plain words. */
class Failure extends Error {}

/** A failure that does not depend on the run. */
class Unreadable extends Failure {}

const models = new Kept(MOST_MODELS, ({ session }) => session.release());

async function loadBytes(address) {
  const answer = await fetch(address).catch(() => null);
  if (!answer || !answer.ok) {
    const reason = answer ? `the server answered ${answer.status}` : "there was no answer";
    throw new Failure(`The model could not be loaded: ${reason}. Is the folder of this page complete?`);
  }
  const total = Number(answer.headers.get("Content-Length"));
  const parts = [];
  let received = 0;
  for (const reader = answer.body.getReader(); ;) {
    const { done, value } = await reader.read();
    if (done) break;
    parts.push(value);
    received += value.length;
    postMessage({ kind: "progress", received, total });
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

async function loadModel(address) {
  const start = performance.now();
  const bytes = await loadBytes(address);
  postMessage({ kind: "progress", received: bytes.length, total: 0 });
  let session;
  try {
    session = await ort.InferenceSession.create(bytes, { executionProviders: ["wasm"] });
  } catch (error) {
    throw new Failure(`The model could not be started (${error.message}). Either the folder of this page is not complete, or this browser cannot run the model: a current version of Chrome, Edge, Firefox or Safari can, if it has enough memory.`);
  }
  return { session, bytes: bytes.length, seconds: (performance.now() - start) / 1000 };
}

async function modelOf(run) {
  const kept = models.get(run.model);
  if (kept) return { ...kept, known: true };
  const model = await loadModel(new URL(run.model, import.meta.url));
  models.add(run.model, model, model.bytes);
  return { ...model, known: false };
}

async function decode(file) {
  const options = { colorSpaceConversion: "none" }; // the package does not apply profiles either
  const bitmap = await createImageBitmap(file, options).catch(() => null);
  if (!bitmap) {
    throw new Unreadable("This file cannot be read as a picture. PNG, JPEG, WebP and GIF work in every browser.");
  }
  const { width, height } = bitmap;
  if (width * height > MOST_PIXELS) {
    throw new Unreadable(`This picture has ${Math.round(width * height / 1e6)} megapixels, which is too many for a page; make it smaller.`);
  }
  const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  context.fillStyle = "#fff"; // below what is transparent
  context.fillRect(0, 0, width, height);
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  return context.getImageData(0, 0, width, height);
}

/** The source as the network wants it, and as a picture. */
function sourceOf(run, rgb) {
  if (run.source === "lab") {
    const light = pixels.lightness(rgb);
    const levels = Uint8Array.from(light.data, (value) => Math.round(2.55 * value));
    return [light, { ...light, data: levels }];
  }
  if (run.source === "classes") {
    const numbers = pixels.classNumbers(rgb, run.classes, KINDS[run.dtype]);
    return [numbers, pixels.classColours(numbers, run.classes)];
  }
  const image = run.source === "gray" ? pixels.gray(rgb) : run.derived ? pixels.gray(rgb, 3) : rgb;
  return [image, image];
}

function fit(run, image) {
  if (run.fit === "resize") return pixels.resize(image, ...run.size, run.source === "classes");
  const most = MOST_UNRESIZED / Math.max(run.scale, 1) ** 2; // a larger result needs as much memory
  if (image.height * image.width > most) {
    throw new Failure(`This picture has ${(image.height * image.width / 1e6).toFixed(1)} megapixels. This model takes pictures as they are, and a browser has the memory for ${Number((most / 1e6).toFixed(2))}; make it smaller.`);
  }
  return pixels.pad(image, ...pixels.paddedSize(image.height, image.width, run.multiple));
}

async function compute(session, dtype, image, numbers) {
  const shape = [1, image.height, image.width, image.channels];
  const inputs = { source: new ort.Tensor(dtype, image.data, shape) };
  if (numbers.length) inputs.condition = new ort.Tensor("float32", Float32Array.from(numbers), [1, numbers.length]);
  let result;
  try {
    result = (await session.run(inputs)).fake;
  } catch (error) {
    throw new Failure(`The model could not translate this picture (${error.message}). A smaller picture needs less memory.`);
  }
  const [, height, width, channels] = result.dims;
  return { height, width, channels, data: result.data };
}

/** A result as a picture. */
function resultOf(run, source, fake) {
  if (run.target === "lab") return pixels.fromLab(source, fake);
  return run.target === "classes" ? pixels.classColours(fake, run.target_classes) : fake;
}

async function translate({ run, file, numbers }) {
  const canvas = file instanceof ImageData ? file : await decode(file);
  const model = await modelOf(run);
  const start = performance.now();
  const [source, shown] = sourceOf(run, pixels.fromCanvas(canvas));
  const size = [source.height, source.width].map((side) => Math.ceil(side * run.scale));
  if (size[0] * size[1] > MOST_PIXELS) {
    throw new Failure(`The result would have ${Math.round(size[0] * size[1] / 1e6)} megapixels, which is too many for a page; make the picture smaller.`);
  }
  const fake = await compute(model.session, run.dtype, fit(run, source), numbers);
  const sized = run.fit === "resize"
    ? pixels.resize(fake, ...size, run.target === "classes") : pixels.crop(fake, ...size);
  const result = resultOf(run, source, sized);
  return {
    kind: "done",
    source: pixels.toCanvas(shown),
    result: pixels.toCanvas(result),
    milliseconds: performance.now() - start,
    model: { bytes: model.bytes, seconds: model.known ? null : model.seconds },
    threads: ort.env.wasm.numThreads,
  };
}

let last = Promise.resolve();
self.onmessage = ({ data: job }) => {
  last = last.then(async () => {
    const answer = await translate(job).catch((error) => ({
      kind: "error",
      unreadable: error instanceof Unreadable,
      text: error instanceof Failure ? error.message : `Something went wrong: ${error.message}`,
    }));
    const moved = answer.kind === "done" ? [answer.source.data.buffer, answer.result.data.buffer] : [];
    postMessage(answer, moved);
  });
};
postMessage({ kind: "ready" });
