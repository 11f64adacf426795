// Pixels as the package handles them: the same filters and the same rounding, so that the page
// gives what `sample.py` gives. An image is {height, width, channels, data}.

const BITS = 22; // of the fixed-point weights of Pillow's filter for 8-bit images

function cubic(x) {
  const a = -0.5, d = Math.abs(x);
  if (d < 1) return ((a + 2) * d - (a + 3)) * d * d + 1;
  return d < 2 ? (((d - 5) * d + 8) * d - 4) * a : 0;
}

// The first pixel and the weights for each of the `wanted` pixels of a resized row.
function weightsOf(length, wanted) {
  const scale = length / wanted, wide = Math.max(scale, 1), support = 2 * wide;
  return Array.from({ length: wanted }, (_, number) => {
    const centre = (number + 0.5) * scale;
    const first = Math.max(Math.trunc(centre - support + 0.5), 0);
    const end = Math.min(Math.trunc(centre + support + 0.5), length);
    const weights = Float64Array.from(
      { length: end - first }, (_, k) => cubic((k + first - centre + 0.5) / wide));
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    return { first, weights: weights.map((weight) => weight / total) };
  });
}

function asWhole(weight) {
  return Math.trunc(weight * 2 ** BITS + (weight < 0 ? -0.5 : 0.5));
}

// Resize one axis: `stride` is the step between its pixels, `others` are the offsets of its rows.
function resizeAxis(data, length, wanted, place) {
  const levels = data instanceof Uint8Array;
  const result = new data.constructor(place.size);
  weightsOf(length, wanted).forEach(({ first, weights }, number) => {
    const all = levels ? weights.map(asWhole) : weights;
    for (let row = 0; row < place.rows; row++) {
      const from = place.from(row) + first * place.stride, to = place.to(row) + number * place.stride;
      for (let channel = 0; channel < place.channels; channel++) {
        let sum = levels ? 2 ** (BITS - 1) : 0;
        for (let k = 0; k < all.length; k++) sum += all[k] * data[from + k * place.stride + channel];
        result[to + channel] = levels ? Math.min(Math.max(sum >> BITS, 0), 255) : sum;
      }
    }
  });
  return result;
}

// The pixel for each of the `wanted` ones. Pillow adds up the places; between two pixels, the
// rounding of the sum decides.
function nearestOf(length, wanted) {
  const step = length / wanted;
  let place = 0.5 * step;
  return Array.from({ length: wanted }, () => {
    const pixel = Math.min(Math.floor(place), length - 1);
    place += step;
    return pixel;
  });
}

function resizeNearest(image, height, width) {
  const { channels } = image, result = new image.data.constructor(height * width * channels);
  const tops = nearestOf(image.height, height), lefts = nearestOf(image.width, width);
  for (let y = 0; y < height; y++) {
    const top = tops[y];
    for (let x = 0; x < width; x++) {
      const left = lefts[x];
      for (let c = 0; c < channels; c++) {
        result[(y * width + x) * channels + c] = image.data[(top * image.width + left) * channels + c];
      }
    }
  }
  return { height, width, channels, data: result };
}

function resizeWidth({ height, width, channels, data }, wanted) {
  if (width === wanted) return { height, width, channels, data };
  const place = {
    size: height * wanted * channels, rows: height, channels, stride: channels,
    from: (row) => row * width * channels, to: (row) => row * wanted * channels,
  };
  return { height, width: wanted, channels, data: resizeAxis(data, width, wanted, place) };
}

function resizeHeight({ height, width, channels, data }, wanted) {
  if (height === wanted) return { height, width, channels, data };
  const place = {
    size: wanted * width * channels, rows: width, channels, stride: width * channels,
    from: (row) => row * channels, to: (row) => row * channels,
  };
  return { height: wanted, width, channels, data: resizeAxis(data, height, wanted, place) };
}

/** Resize as Pillow 13 does: bicubic with antialiasing, or the nearest pixel for class numbers. */
export function resize(image, height, width, nearest = false) {
  if (nearest) return resizeNearest(image, height, width);
  // The pass that leaves less for the other one is the first; with equal ones, that of the rows.
  if (height < image.height && width > image.width) return resizeWidth(resizeHeight(image, height), width);
  return resizeHeight(resizeWidth(image, width), height);
}

/**
 * The height and width that an image is padded to, as in the package: there each size is a program
 * to compile, so sides are rounded up further than the network needs.
 */
export function paddedSize(height, width, multiple) {
  const sides = [height, width];
  if (sides.every((side) => side % multiple === 0)) return sides;
  return sides.map((side) => {
    let step = multiple;
    while (step * 16 <= side) step *= 2;
    return Math.ceil(side / step) * step;
  });
}

/** Pad at the bottom and the right by mirroring, edges included. */
export function pad(image, height, width) {
  const { channels } = image, data = new image.data.constructor(height * width * channels);
  const mirrored = (place, length) => {
    const inside = place % (2 * length);
    return inside < length ? inside : 2 * length - 1 - inside;
  };
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const from = mirrored(y, image.height) * image.width + mirrored(x, image.width);
      for (let c = 0; c < channels; c++) {
        data[(y * width + x) * channels + c] = image.data[from * channels + c];
      }
    }
  }
  return { height, width, channels, data };
}

/** Keep the upper left part. */
export function crop(image, height, width) {
  const { channels } = image, data = new image.data.constructor(height * width * channels);
  for (let y = 0; y < height; y++) {
    const row = y * image.width * channels;
    data.set(image.data.subarray(row, row + width * channels), y * width * channels);
  }
  return { height, width, channels, data };
}

/** RGB of a canvas's RGBA, which is opaque. */
export function fromCanvas({ height, width, data }) {
  const rgb = new Uint8Array(height * width * 3);
  for (let from = 0, to = 0; from < data.length; from += 4) {
    rgb[to++] = data[from];
    rgb[to++] = data[from + 1];
    rgb[to++] = data[from + 2];
  }
  return { height, width, channels: 3, data: rgb };
}

/** An ImageData of gray or RGB. */
export function toCanvas({ height, width, channels, data }) {
  const rgba = new Uint8ClampedArray(height * width * 4);
  for (let number = 0; number < height * width; number++) {
    for (let c = 0; c < 3; c++) rgba[4 * number + c] = data[number * channels + (channels === 3 ? c : 0)];
    rgba[4 * number + 3] = 255;
  }
  return new ImageData(rgba, width, height);
}

function mapped(image, channels, Kind, change) {
  const data = new Kind(image.height * image.width * channels);
  for (let number = 0; number < image.height * image.width; number++) {
    change(image.data, number * image.channels, data, number * channels);
  }
  return { height: image.height, width: image.width, channels, data };
}

/** Gray of RGB by its luma (ITU-R 601), rounded as Pillow does. */
export function gray(image, channels = 1) {
  return mapped(image, channels, Uint8Array, (rgb, i, luma, k) => {
    const level = (19595 * rgb[i] + 38470 * rgb[i + 1] + 7471 * rgb[i + 2] + 32768) >> 16;
    for (let c = 0; c < channels; c++) luma[k + c] = level;
  });
}

// sRGB and CIE 1976 L*a*b* under D65.
const XYZ = [[0.412453, 0.35758, 0.180423], [0.212671, 0.71516, 0.072169], [0.019334, 0.119193, 0.950227]];
const TO_XYZ = XYZ.map((row) => row.map((value) => value / (row[0] + row[1] + row[2])));
const FROM_XYZ = inverse(TO_XYZ);
const KNEE = 6 / 29;
const LINEAR = Array.from({ length: 256 }, (_, level) => {
  const share = level / 255;
  return share > 0.04045 ? ((share + 0.055) / 1.055) ** 2.4 : share / 12.92;
});

function inverse([[a, b, c], [d, e, f], [g, h, i]]) {
  const det = a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g);
  return [[e * i - f * h, c * h - b * i, b * f - c * e], [f * g - d * i, a * i - c * g, c * d - a * f],
    [d * h - e * g, b * g - a * h, a * e - b * d]].map((row) => row.map((value) => value / det));
}

/** Lightness, 0 to 100, of RGB. */
export function lightness(image) {
  const [red, green, blue] = TO_XYZ[1];
  return mapped(image, 1, Float32Array, (rgb, i, light, k) => {
    const y = red * LINEAR[rgb[i]] + green * LINEAR[rgb[i + 1]] + blue * LINEAR[rgb[i + 2]];
    light[k] = 116 * (y > KNEE ** 3 ? Math.cbrt(y) : y / (3 * KNEE ** 2) + 4 / 29) - 16;
  });
}

function cubed(root) {
  return root > KNEE ? root * root * root : 3 * KNEE ** 2 * (root - 4 / 29);
}

function level(linear) {
  const share = linear > 0.0031308 ? 1.055 * Math.min(linear, 1) ** (1 / 2.4) - 0.055 : 12.92 * linear;
  return Math.round(255 * Math.max(share, 0));
}

/** RGB of lightness and of the two colour channels. */
export function fromLab(light, ab) {
  const [red, green, blue] = FROM_XYZ;
  return mapped(light, 3, Uint8Array, (lights, i, rgb, k) => {
    const root = (lights[i] + 16) / 116;
    const x = cubed(root + ab.data[2 * i] / 500), y = cubed(root), z = cubed(root - ab.data[2 * i + 1] / 200);
    rgb[k] = level(red[0] * x + red[1] * y + red[2] * z);
    rgb[k + 1] = level(green[0] * x + green[1] * y + green[2] * z);
    rgb[k + 2] = level(blue[0] * x + blue[1] * y + blue[2] * z);
  });
}

/**
 * Class numbers of a picture of classes: gray levels that are numbers, or colours, of which each
 * pixel gets the nearest. The last colour is that of no class.
 */
export function classNumbers(image, colours, Kind) {
  const none = 255, count = colours.length - 1, found = new Map();
  const { data } = image;
  let numbers = true;
  for (let i = 0; i < data.length && numbers; i += 3) {
    numbers = data[i] === data[i + 1] && data[i] === data[i + 2] && (data[i] < count || data[i] === none);
  }
  const nearest = (red, green, blue) => {
    const apart = colours.map(([r, g, b]) => (r - red) ** 2 + (g - green) ** 2 + (b - blue) ** 2);
    const number = apart.indexOf(Math.min(...apart));
    return number === count ? none : number;
  };
  return mapped(image, 1, Kind, (rgb, i, result, k) => {
    const key = (rgb[i] << 16) | (rgb[i + 1] << 8) | rgb[i + 2];
    if (!numbers && !found.has(key)) found.set(key, nearest(rgb[i], rgb[i + 1], rgb[i + 2]));
    result[k] = numbers ? rgb[i] : found.get(key);
  });
}

/** The colours of class numbers. */
export function classColours(image, colours) {
  return mapped(image, 3, Uint8Array, (numbers, i, rgb, k) => {
    rgb.set(colours[Math.min(numbers[i], colours.length - 1)], k);
  });
}
