import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { operations } from '../src/engine/layers';
import { tensor, type Tensor } from '../src/engine/tensor';

interface Packed {
  shape: number[];
  data: number[];
}

interface Case {
  name: string;
  class: string;
  options: Record<string, unknown>;
  inputs: Packed[];
  parameters: Record<string, Packed>;
  dy: Packed;
  output: Packed;
  d_inputs: Packed[];
  gradients: Record<string, Packed>;
}

const folder = new URL('./golden/', import.meta.url);
const cases: Case[] = readdirSync(folder)
  .filter((file) => ['kernels.json', 'layers.json'].includes(file))
  .flatMap((file) => JSON.parse(readFileSync(new URL(file, folder), 'utf8')));

const unpack = ({ shape, data }: Packed): Tensor => tensor(shape, data);

export function expectClose(actual: Tensor, expected: Packed): void {
  expect(actual.shape).toEqual(expected.shape);
  const scale = Math.max(1, ...expected.data.map(Math.abs));
  expected.data.forEach((value, i) => expect(Math.abs(actual.data[i] - value)).toBeLessThan(1e-12 * scale));
}

describe.each(cases)('$class: $name', (golden) => {
  const operation = operations.get(golden.class)!;
  const parameters = new Map(Object.entries(golden.parameters).map(([name, value]) => [name, unpack(value)]));
  const pass = { inputs: golden.inputs.map(unpack), parameters, options: golden.options };
  const done = operation.forward(pass);

  it('computes the output of the reference loops', () => expectClose(done.output, golden.output));

  it('computes their gradients', () => {
    const { inputs, gradients = {} } = operation.backward(unpack(golden.dy), pass, done);
    golden.d_inputs.forEach((expected, i) => expectClose(inputs[i], expected));
    for (const [name, expected] of Object.entries(golden.gradients)) expectClose(gradients[name]!, expected);
  });
});
