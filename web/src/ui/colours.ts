/** Two diverging palettes, symmetric about zero and safe for colour-blind readers: one for values, one for weights. */
export type Palette = 'value' | 'weight';
type Rgb = readonly [number, number, number];

// From the most negative through zero to the most positive: blue to orange, and purple to green.
const STOPS: Record<Palette, Record<'light' | 'dark', readonly Rgb[]>> = {
  value: {
    light: [
      [5, 48, 97],
      [33, 102, 172],
      [103, 169, 207],
      [209, 229, 240],
      [247, 247, 245],
      [253, 219, 179],
      [244, 152, 64],
      [203, 88, 10],
      [120, 44, 4],
    ],
    dark: [
      [189, 224, 255],
      [106, 178, 245],
      [48, 122, 199],
      [25, 62, 104],
      [24, 27, 33],
      [92, 52, 12],
      [186, 96, 14],
      [250, 156, 58],
      [255, 219, 166],
    ],
  },
  weight: {
    light: [
      [64, 0, 75],
      [118, 42, 131],
      [153, 112, 171],
      [222, 203, 228],
      [247, 247, 245],
      [205, 235, 200],
      [110, 186, 113],
      [27, 120, 55],
      [0, 68, 27],
    ],
    dark: [
      [240, 210, 255],
      [205, 150, 235],
      [146, 88, 180],
      [72, 42, 92],
      [24, 27, 33],
      [22, 70, 40],
      [38, 138, 70],
      [106, 206, 122],
      [205, 245, 205],
    ],
  },
};

const HALF = 255;
const tables = new Map<string, Uint8ClampedArray>();

/** The palette as 511 colours, from −1 to 1. */
export function table(palette: Palette, dark: boolean): Uint8ClampedArray {
  const key = `${palette}-${dark}`;
  const known = tables.get(key);
  if (known) return known;
  const stops = STOPS[palette][dark ? 'dark' : 'light'];
  const colours = new Uint8ClampedArray(3 * (2 * HALF + 1));
  for (let i = 0; i <= 2 * HALF; i++) {
    const at = (i / (2 * HALF)) * (stops.length - 1);
    const low = Math.min(Math.floor(at), stops.length - 2);
    for (let k = 0; k < 3; k++) colours[3 * i + k] = stops[low][k] + (at - low) * (stops[low + 1][k] - stops[low][k]);
  }
  tables.set(key, colours);
  return colours;
}

export function position(value: number, scale: number): number {
  if (!(scale > 0) || Number.isNaN(value)) return HALF;
  return Math.round(HALF + HALF * Math.min(Math.max(value / scale, -1), 1));
}

export function rgb(value: number, scale: number, palette: Palette, dark: boolean): Rgb {
  const i = 3 * position(value, scale);
  const colours = table(palette, dark);
  return [colours[i], colours[i + 1], colours[i + 2]];
}

export const css = ([r, g, b]: Rgb): string => `rgb(${r} ${g} ${b})`;

/** Black or white, whichever reads better on the colour. */
export const ink = ([r, g, b]: Rgb): string => (0.299 * r + 0.587 * g + 0.114 * b > 140 ? '#14161a' : '#f6f7f9');

/** The palette as a CSS gradient, for legends. */
export function gradient(palette: Palette, dark: boolean): string {
  const stops = STOPS[palette][dark ? 'dark' : 'light'];
  return `linear-gradient(to right, ${stops.map(css).join(', ')})`;
}
