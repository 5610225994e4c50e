import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { activationBackward, activationForward, type ActivationOptions } from '../src/engine/activations';
import { operations } from '../src/engine/layers';
import { lossOf, type LossOptions } from '../src/engine/losses';
import { tensor, type Tensor } from '../src/engine/tensor';

interface Packed {
  shape: readonly number[];
  data: ArrayLike<number>;
}

interface Case {
  name: string;
  class: string;
  options: Record<string, unknown>;
  /** The activation inside the layer. */
  activation?: ActivationOptions | null;
  inputs: Packed[];
  parameters: Record<string, Packed>;
  dy: Packed;
  output: Packed;
  d_inputs: Packed[];
  gradients: Record<string, Packed>;
}

const read = (file: string) => JSON.parse(readFileSync(new URL(`./golden/${file}.json`, import.meta.url), 'utf8'));
const cases: Case[] = [...read('kernels'), ...read('layers')];

const unpack = ({ shape, data }: Packed): Tensor => tensor(shape, data);

export function expectClose(actual: Tensor, expected: Packed): void {
  expect(actual.shape).toEqual(expected.shape);
  const numbers = Array.from(expected.data);
  const scale = Math.max(1, ...numbers.map(Math.abs));
  numbers.forEach((value, i) => expect(Math.abs(actual.data[i] - value)).toBeLessThan(1e-12 * scale));
}

describe.each(cases)('$class: $name', (golden) => {
  const operation = operations.get(golden.class)!;
  const parameters = new Map(Object.entries(golden.parameters).map(([name, value]) => [name, unpack(value)]));
  const pass = { inputs: golden.inputs.map(unpack), parameters, options: golden.options };
  const done = operation.forward(pass);
  const { activation } = golden;
  const y = activation ? activationForward(done.output, activation) : done.output;

  it('computes the output of the reference loops', () => expectClose(y, golden.output));

  it('computes their gradients', () => {
    const dy = unpack(golden.dy);
    const dz = activation ? activationBackward(dy, done.output, y, activation) : dy;
    const back = operation.backward(dz, pass, done);
    const [inputs, gradients] = [back.inputs(), back.gradients?.() ?? {}];
    golden.d_inputs.forEach((expected, i) => expectClose(inputs[i], expected));
    for (const [name, expected] of Object.entries(golden.gradients)) expectClose(gradients[name]!, expected);
  });
});

it('has a case for every operation but those that only act in training', () => {
  const tested = new Set(cases.map((golden) => golden.class));
  const idle = ['SpatialDropout2D', 'RandomFlip', 'RandomTranslation', 'RandomRotation', 'RandomZoom'];
  expect([...operations.keys()].filter((name) => !tested.has(name) && !idle.includes(name))).toEqual([]);
});

interface LossCase {
  class: string;
  options: LossOptions;
  target: Packed;
  output: Packed;
  value: number;
  gradient: Packed;
}

describe.each(read('losses') as LossCase[])('$class $options', (golden) => {
  const [output, target] = [unpack(golden.output), unpack(golden.target)];

  it('has the value and the gradient of the library', () => {
    const { value, gradient } = lossOf(golden.class, golden.options, output, target, null);
    expect(value).toBeCloseTo(golden.value, 12);
    expectClose(gradient, golden.gradient);
  });
});

describe('a loss taken together with its activation', () => {
  it.each([
    ['SparseCategoricalCrossentropy', 'softmax', [2]],
    ['CategoricalCrossentropy', 'softmax', [0, 0, 1, 0]],
    ['BinaryCrossentropy', 'sigmoid', [1, 0, 0, 1]],
  ])('%s: its gradient is that of the pair', (kind, name, target) => {
    const z = tensor([4], [0.5, -1.25, 2, 0.75]);
    const p = activationForward(z, { name });
    const t = tensor([target.length], target);
    const apart = lossOf(kind, {}, p, t, null);
    const together = lossOf(kind, {}, p, t, z);
    expect(together.value).toBeCloseTo(apart.value, 12);
    expectClose(together.gradient, activationBackward(apart.gradient, z, p, { name }));
  });
});
