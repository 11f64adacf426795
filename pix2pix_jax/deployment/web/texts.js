// What the page writes about sizes, times and models.

const sum = (numbers) => numbers.reduce((a, b) => a + b, 0);

export const megabytes = (bytes) => (bytes < 1e6
  ? `${Math.ceil(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`);

export const duration = (milliseconds) => (milliseconds < 1000
  ? `${Math.max(Math.round(milliseconds), 1)} ms` : `${(milliseconds / 1000).toFixed(1)} s`);

/** What the results took; the answers are those of the first runs. */
export function summary(runs, answers) {
  const done = answers.filter(({ kind }) => kind === "done");
  if (done.length === 0) return "";
  const sizes = new Set(done.map(({ result: { width, height } }) => `${width} x ${height} pixels in `));
  const size = sizes.size > 1 ? "" : [...sizes][0];
  const loaded = done.map(({ model }) => model).filter(({ seconds }) => seconds !== null);
  const bytes = megabytes(sum(loaded.map((model) => model.bytes)));
  const load = duration(1000 * sum(loaded.map(({ seconds }) => seconds)));
  const what = loaded.length > 1 ? "The models" : "The model";
  const missing = done.length < runs.length ? ` of ${runs.length}` : "";
  const count = runs.length > 1 ? `${done.length}${missing} results, ` : "";
  const time = duration(sum(done.map(({ milliseconds }) => milliseconds)));
  const models = loaded.length ? ` ${what} (${bytes}) took ${load} to load.` : "";
  return `${count}${size}${time} on this device.${models}`;
}

/** What makes the results; the answers are those of the first runs. */
export function about(runs, answers, { version, runtime }) {
  const networks = runs.map((run, number) => {
    const model = answers[number]?.model, size = model ? `, ${megabytes(model.bytes)}` : "";
    const name = runs.length > 1 ? `${run.name}: ` : "";
    return `${name}${run.network}, step ${run.step}, weights of ${run.weights}${size}`;
  });
  const threads = answers.find(({ kind }) => kind === "done")?.threads;
  const on = threads ? ` on ${threads} ${threads === 1 ? "thread" : "threads"}` : "";
  return `${networks.join("; ")}. In ${runs[0].mode} mode, without dropout: the same picture${runs[0].numbers.length ? " with the same numbers" : ""} always gives the same result. Made by pix2pix_jax ${version}; onnxruntime-web ${runtime} runs it as WebAssembly${on}.`;
}
