import { activationForward } from './activations';
import { map, tensor, type Tensor } from './tensor';

export interface LossOptions {
  from_logits?: boolean;
  label_smoothing?: number;
  delta?: number;
}

/** Probabilities are clipped here, as Keras does, before their logarithm is taken. */
export const CLIP = 1e-7;

const clipped = (p: number): number => Math.min(Math.max(p, CLIP), 1 - CLIP);
const inside = (p: number): number => (p > CLIP && p < 1 - CLIP ? 1 : 0);

/** The label as a distribution over the outputs: an index becomes one-hot, smoothing mixes in the uniform one. */
export function targetDistribution(kind: string, target: Tensor, n: number, smoothing = 0): Tensor {
  if (kind === 'SparseCategoricalCrossentropy') {
    const y = tensor([n]);
    y.data[target.data[0]] = 1;
    return y;
  }
  if (kind === 'CategoricalCrossentropy') return map(target, (t) => t * (1 - smoothing) + smoothing / n);
  if (kind === 'BinaryCrossentropy') return map(target, (t) => t * (1 - smoothing) + 0.5 * smoothing);
  return target;
}

export const isCrossentropy = (kind: string): boolean => kind.endsWith('Crossentropy');

export const knowsLoss = (kind: string): boolean =>
  isCrossentropy(kind) || ['MeanSquaredError', 'MeanAbsoluteError', 'Huber'].includes(kind);

/** The loss of one image and its gradient with respect to `output`, or to the logits where `logits` are given. */
export function lossOf(
  kind: string,
  options: LossOptions,
  output: Tensor,
  target: Tensor,
  logits: Tensor | null,
): { value: number; gradient: Tensor } {
  const n = output.data.length;
  const t = targetDistribution(kind, target, n, options.label_smoothing ?? 0).data;
  const z = logits ?? (options.from_logits ? output : null);
  const sum = (f: (i: number) => number): number => output.data.reduce((total, _, i) => total + f(i), 0);

  if (kind === 'BinaryCrossentropy') {
    if (z) {
      const cost = (i: number) =>
        Math.max(z.data[i], 0) - z.data[i] * t[i] + Math.log1p(Math.exp(-Math.abs(z.data[i])));
      const p = activationForward(z, { name: 'sigmoid' });
      return { value: sum(cost) / n, gradient: map(p, (pi, i) => (pi - t[i]) / n) };
    }
    const p = output.data.map(clipped);
    return {
      value: sum((i) => -t[i] * Math.log(p[i]) - (1 - t[i]) * Math.log(1 - p[i])) / n,
      gradient: map(output, (raw, i) => (inside(raw) * (p[i] - t[i])) / (p[i] * (1 - p[i])) / n),
    };
  }
  if (isCrossentropy(kind)) {
    if (z) {
      const logp = activationForward(z, { name: 'log_softmax' });
      const total = t.reduce((a, b) => a + b, 0);
      return {
        value: sum((i) => -t[i] * logp.data[i]),
        gradient: map(logp, (value, i) => Math.exp(value) * total - t[i]),
      };
    }
    const whole = sum((i) => output.data[i]);
    const q = output.data.map((p) => p / whole);
    const p = q.map(clipped);
    const dq = q.map((qi, i) => (-t[i] / p[i]) * inside(qi));
    const mean = sum((i) => dq[i] * q[i]);
    return { value: sum((i) => -t[i] * Math.log(p[i])), gradient: map(output, (_, i) => (dq[i] - mean) / whole) };
  }
  const error = output.data.map((p, i) => p - t[i]);
  const delta = options.delta ?? 1;
  const small = (e: number) => kind === 'MeanSquaredError' || (kind === 'Huber' && Math.abs(e) <= delta);
  const scale = kind === 'MeanSquaredError' ? 1 : 0.5;
  const slope = kind === 'Huber' ? delta : 1;
  const excess = kind === 'Huber' ? 0.5 * delta * delta : 0;
  return {
    value: sum((i) => (small(error[i]) ? scale * error[i] ** 2 : slope * Math.abs(error[i]) - excess)) / n,
    gradient: map(output, (_, i) => (small(error[i]) ? 2 * scale * error[i] : slope * Math.sign(error[i])) / n),
  };
}
