import { deflateRawSync, deflateSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { operationOf } from '../src/engine/network';
import { tensor } from '../src/engine/tensor';
import { asText, worksheet } from '../src/explain/worksheet';
import type { Explanation } from '../src/explain/types';
import { unshuffle } from '../src/record/decode';
import { inflate } from '../src/record/inflate';
import { parseMath, LESSONS } from '../src/ui/equations';
import { compact, format, powerOfTen, tableScale } from '../src/ui/format';
import { position, rgb } from '../src/ui/colours';

describe('inflate', () => {
  const random = Uint8Array.from({ length: 70_000 }, (_, i) => (i * i * 31 + (i >> 3)) % 251);
  const samples: [string, Uint8Array][] = [
    ['nothing', new Uint8Array(0)],
    ['one byte', Uint8Array.of(7)],
    ['a run', new Uint8Array(100_000).fill(3)],
    ['mixed bytes', random],
  ];
  it.each(samples)('reads %s at every level', (_, bytes) => {
    for (const level of [0, 1, 9]) expect(inflate(deflateSync(bytes, { level }))).toEqual(bytes);
  });
  it('reads fixed codes', () => {
    const bytes = new TextEncoder().encode('fixed codes, fixed codes, fixed codes');
    const raw = deflateRawSync(bytes, { strategy: 4 });
    expect(inflate(Uint8Array.of(0x78, 0x9c, ...raw))).toEqual(bytes);
  });
  it('refuses data that ends too early', () => {
    expect(() => inflate(deflateSync(random).subarray(0, 50))).toThrow('ends too early');
  });
});

it('puts byte planes together', () => {
  const values = Float32Array.of(1.5, -2, 1e-20);
  const bytes = new Uint8Array(values.buffer);
  const planes = Uint8Array.from({ length: 12 }, (_, i) => bytes[4 * (i % 3) + Math.floor(i / 3)]);
  expect([...unshuffle(planes)]).toEqual([...values]);
});

describe('numbers', () => {
  it.each([
    [0, 3, '0'],
    [1.23456, 3, '1.23'],
    [-0.012345, 3, '−0.012'],
    [123456, 3, '123456'],
    [1.5e-7, 3, '1.5e−7'],
    [NaN, 3, 'n/a'],
    [-Infinity, 3, '−∞'],
    [0.1234567891, 9, '0.12345679'],
    [99.96, 3, '100.0'],
  ])('%d with %d digits is %s', (value, digits, text) => expect(format(value, digits)).toBe(text));

  it('prints a table with common decimals and one power of ten', () => {
    expect(compact(-0.0512, tableScale(0.26, 3))).toBe('−.051');
    const small = tableScale(4.2e-5, 3);
    expect(compact(1.05e-5, small) + powerOfTen(small.exponent)).toBe('1.05 · 10⁻⁵');
  });
});

it('has colours symmetric about zero', () => {
  expect(position(0, 1)).toBe(255);
  expect(position(0.6, 1) - 255).toBe(255 - position(-0.6, 1));
  for (const palette of ['value', 'weight'] as const) {
    const [r, g, b] = rgb(0, 1, palette, false);
    expect(Math.max(r, g, b) - Math.min(r, g, b)).toBeLessThan(4);
  }
});

it('turns equations into MathML', () => {
  expect(parseMath('y_i = \\frac{a}{b^2}')).toEqual({
    tag: 'mrow',
    children: [
      {
        tag: 'msub',
        children: [
          { tag: 'mi', children: ['y'] },
          { tag: 'mi', children: ['i'] },
        ],
      },
      { tag: 'mo', children: ['='] },
      {
        tag: 'mfrac',
        children: [
          { tag: 'mrow', children: [{ tag: 'mi', children: ['a'] }] },
          {
            tag: 'mrow',
            children: [
              {
                tag: 'msup',
                children: [
                  { tag: 'mi', children: ['b'] },
                  { tag: 'mn', children: ['2'] },
                ],
              },
            ],
          },
        ],
      },
    ],
  });
  for (const [key, lesson] of Object.entries(LESSONS)) {
    expect(lesson.equations.length > 0, key).toBe(key !== 'other');
    for (const source of lesson.equations) expect(JSON.stringify(parseMath(source))).not.toContain('\\\\');
  }
});

it('asks on the worksheet and answers with the rounded numbers', () => {
  const terms = [
    [1.004, 2],
    [0.5, -1.006],
    [0, 3],
    [2, 0.25],
  ].map(([a, b]) => ({ a, b, product: a * b, label: '' }));
  const sum = terms.reduce((s, t) => s + t.product, 0);
  const names = { a: 'x', b: 'w', product: 'x·w' };
  const explanation: Explanation = {
    target: 'y[0]',
    equation: 'conv2d',
    rects: [],
    result: sum - 0.5,
    groups: [{ title: 'channel 0', names, rows: 2, columns: 2, terms, sum, channel: 0 }],
    lines: [
      { label: 'Σ', value: sum },
      { label: '+ b[0]', value: -0.5 },
      { label: 'z', value: sum - 0.5 },
      { label: 'y = relu(z)', value: sum - 0.5 },
    ],
  };
  const sheet = worksheet(explanation, 'A window');
  // 1·2 + 0.5·(−1.01) + 0·3 + 2·0.25 = 1.995 (two decimals: 2), and 0.5 less with the bias.
  expect(sheet.parts[0].sum.answer).toBe('2');
  expect(sheet.asked.map(({ answer }) => answer)).toEqual(['2', '1.5', '1.5']);
  expect(asText(sheet, false)).toContain('Σ x·w = ________');
  expect(asText(sheet, false)).not.toContain('1.5');
  expect(asText(sheet, true)).toContain('y = relu(z) = 1.5');
});

it('computes no layer with a setting it does not know', () => {
  const layer = {
    name: 'a',
    class: 'Activation',
    options: { name: 'my own' },
    activation: null,
    parameters: [],
    functions: { forward: [], backward: [], gate: [] },
  };
  expect(operationOf(layer)).toBeUndefined();
  expect(operationOf({ ...layer, options: { name: 'relu' } })).toBeDefined();
  expect(operationOf({ ...layer, class: 'Conv2DWithMarkup' })).toBeUndefined();
  expect(tensor([0]).data.length).toBe(0);
});
