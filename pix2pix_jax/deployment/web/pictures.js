// Pictures on canvases, out of the page's folder, and to a file.

export function draw(canvas, image) {
  canvas.width = image.width;
  canvas.height = image.height;
  canvas.getContext("2d").putImageData(image, 0, 0);
}

/** Whether a picture is so small that it is shown enlarged. */
export function isCoarse(image) {
  return image.width < 128;
}

/** A picture of the page's folder, in the size of another one. */
export async function pixelsOf(address, { width, height }) {
  const image = new Image();
  image.src = address;
  await image.decode();
  const context = new OffscreenCanvas(width, height).getContext("2d");
  context.drawImage(image, 0, 0, width, height);
  return context.getImageData(0, 0, width, height);
}

/** A picture in the size of another one; the pixels of a smaller one are repeated. */
export function inSize(image, { width, height }) {
  if (image.width === width && image.height === height) return image;
  const from = new OffscreenCanvas(image.width, image.height);
  from.getContext("2d").putImageData(image, 0, 0);
  const context = new OffscreenCanvas(width, height).getContext("2d");
  context.imageSmoothingEnabled = width < image.width;
  context.drawImage(from, 0, 0, width, height);
  return context.getImageData(0, 0, width, height);
}

export function download(image, name, tooLarge) {
  const canvas = document.createElement("canvas");
  draw(canvas, image);
  canvas.toBlob((blob) => {
    if (!blob) return tooLarge();
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = `${name}.png`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  });
}
