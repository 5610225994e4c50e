import { extent, largestMagnitude, type Tensor } from '../engine/tensor';
import { position, table, type Palette } from './colours';

/** How the numbers of a tensor are coloured. */
export interface Paint {
  palette: Palette;
  dark: boolean;
  scale: number;
}

const scales = new WeakMap<Float64Array, number>();

/** The largest magnitude of a tensor: its colours run from minus this to plus this. */
export function scaleOf(x: Tensor | null): number {
  if (!x) return 0;
  let scale = scales.get(x.data);
  if (scale === undefined) scales.set(x.data, (scale = largestMagnitude(x.data)));
  return scale;
}

/** One channel, one pixel per cell. */
export function pixels(x: Tensor, channel: number, { palette, dark, scale }: Paint): ImageData {
  const { h, w, c } = extent(x.shape);
  const image = new ImageData(w, h);
  const colours = table(palette, dark);
  for (let i = 0; i < h * w; i++) {
    const at = 3 * position(x.data[i * c + channel], scale);
    image.data[4 * i] = colours[at];
    image.data[4 * i + 1] = colours[at + 1];
    image.data[4 * i + 2] = colours[at + 2];
    image.data[4 * i + 3] = 255;
  }
  return image;
}

/**
 * A picture as a person sees it: grey or RGB, its range stretched to black and white if it is not 0 to 1.
 * With a channel, only the red, green or blue of it.
 */
export function picture(x: Tensor, channel?: number): ImageData {
  const { h, w, c } = extent(x.shape);
  const image = new ImageData(w, h);
  const low = Math.min(
    0,
    x.data.reduce((a, b) => Math.min(a, b), Infinity),
  );
  const high = Math.max(
    low < 0 ? -low : 1,
    x.data.reduce((a, b) => Math.max(a, b), -Infinity),
  );
  for (let i = 0; i < h * w; i++) {
    image.data[4 * i + 3] = 255;
    for (let k = 0; k < 3; k++) {
      if (channel !== undefined && c >= 3 && k !== channel) continue;
      image.data[4 * i + k] = (255 * (x.data[i * c + (c >= 3 ? k : 0)] - low)) / (high - low);
    }
  }
  return image;
}

export const isPicture = (shape: readonly number[]): boolean =>
  shape.length === 3 && (shape[2] === 1 || shape[2] === 3);

let scratch: HTMLCanvasElement | undefined;

/** Paints an image into a rectangle with hard cell edges (or, where cells are smaller than pixels, smoothly). */
export function paint(
  context: CanvasRenderingContext2D,
  image: ImageData,
  x: number,
  y: number,
  width: number,
  height: number,
): void {
  scratch ??= document.createElement('canvas');
  scratch.width = image.width;
  scratch.height = image.height;
  scratch.getContext('2d')!.putImageData(image, 0, 0);
  context.imageSmoothingEnabled = width < image.width;
  context.drawImage(scratch, x, y, width, height);
}

/** Sizes a canvas for the screen's pixels and returns its context, cleared. */
export function prepare(canvas: HTMLCanvasElement, width: number, height: number): CanvasRenderingContext2D {
  const ratio = window.devicePixelRatio || 1;
  canvas.width = Math.max(1, Math.round(width * ratio));
  canvas.height = Math.max(1, Math.round(height * ratio));
  const context = canvas.getContext('2d')!;
  context.setTransform(canvas.width / width, 0, 0, canvas.height / height, 0, 0);
  return context;
}
