const MINUS = '−';

/** A number with so many significant digits, short enough for a table cell. */
export function format(value: number, digits = 3): string {
  if (Number.isNaN(value)) return 'n/a';
  if (!Number.isFinite(value)) return value > 0 ? '∞' : `${MINUS}∞`;
  const magnitude = Math.abs(value);
  let text: string;
  if (magnitude === 0) text = '0';
  else if (magnitude < 1e-4 || magnitude >= 1e6)
    text = magnitude
      .toExponential(Math.max(digits - 2, 1))
      .replace('e-', `e${MINUS}`)
      .replace('e+', 'e');
  else if (magnitude < 1)
    text = magnitude.toFixed(Math.min(digits - 1 + Math.max(0, -Math.floor(Math.log10(magnitude)) - 1), 12));
  else text = magnitude.toFixed(Math.max(digits - 1 - Math.floor(Math.log10(magnitude)), 0));
  return value < 0 && !/^0(\.0*)?$/.test(text) ? MINUS + text : text;
}

export const percent = (p: number): string => `${(100 * p).toFixed(p > 0.9995 || p < 0.0005 ? 2 : 1)} %`;
export const times = (shape: readonly number[]): string => shape.join('×');
export const plural = (n: number, one: string, many = `${one}s`): string => `${n} ${n === 1 ? one : many}`;

/** How a table of numbers is printed: all with the same decimals, and a power of ten apart where they are tiny. */
export interface Scale {
  decimals: number;
  exponent: number;
}

export function tableScale(largest: number, digits: number): Scale {
  const order = largest > 0 ? Math.floor(Math.log10(largest)) : 0;
  const exponent = order < -2 || order > 4 ? order : 0;
  return { decimals: Math.max(0, Math.min(digits - 1 - (order - exponent), digits)), exponent };
}

/** A number of such a table, without its leading zero. */
export function compact(value: number, { decimals, exponent }: Scale): string {
  if (value === 0) return '0';
  const text = Math.abs(value / 10 ** exponent)
    .toFixed(decimals)
    .replace(/^0\./, '.');
  return value < 0 && /[1-9]/.test(text) ? MINUS + text : text;
}

const SUPERSCRIPTS = '⁰¹²³⁴⁵⁶⁷⁸⁹';
export const powerOfTen = (exponent: number): string =>
  exponent
    ? ` · 10${exponent < 0 ? '⁻' : ''}${[...String(Math.abs(exponent))].map((d) => SUPERSCRIPTS[Number(d)]).join('')}`
    : '';
