import { tensor, type Tensor } from './tensor';

/** An activation by Keras's name, with the settings of the layers `ReLU`, `LeakyReLU` and `ELU`. */
export interface ActivationOptions {
  name: string;
  negative_slope?: number;
  max_value?: number | null;
  threshold?: number;
  alpha?: number;
}

interface Elementwise {
  f(x: number, options: ActivationOptions): number;
  /** The slope at `x`, where `y = f(x)`. */
  slope(x: number, y: number, options: ActivationOptions): number;
}

const sigmoid = (x: number): number => (x >= 0 ? 1 / (1 + Math.exp(-x)) : Math.exp(x) / (1 + Math.exp(x)));
const softplus = (x: number): number => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
const SELU_ALPHA = 1.6732632423543772;
const SELU_SCALE = 1.0507009873554805;

/** The error function, by its series near zero and a continued fraction beyond: good to the last digits of a double. */
function erf(x: number): number {
  const a = Math.abs(x);
  if (a < 2.5) {
    let [term, sum] = [a, a];
    for (let n = 1; Math.abs(term) > 1e-17 * Math.abs(sum); n++) {
      term *= (-a * a) / n;
      sum += term / (2 * n + 1);
    }
    return (Math.sign(x) * 2 * sum) / Math.sqrt(Math.PI);
  }
  let fraction = 0;
  for (let n = 60; n > 0; n--) fraction = n / 2 / (a + fraction);
  return Math.sign(x) * (1 - Math.exp(-a * a) / ((a + fraction) * Math.sqrt(Math.PI)));
}
const normalCdf = (x: number): number => 0.5 * (1 + erf(x / Math.SQRT2));

const elementwise = new Map<string, Elementwise>([
  ['linear', { f: (x) => x, slope: () => 1 }],
  [
    'relu',
    {
      f: (x, o) => {
        const threshold = o.threshold ?? 0;
        if (x < threshold || (x === threshold && threshold === 0)) return (o.negative_slope ?? 0) * (x - threshold);
        return o.max_value == null ? x : Math.min(x, o.max_value);
      },
      slope: (x, _, o) => {
        const threshold = o.threshold ?? 0;
        if (x < threshold || (x === threshold && threshold === 0)) return o.negative_slope ?? 0;
        return o.max_value != null && x >= o.max_value ? 0 : 1;
      },
    },
  ],
  ['relu6', { f: (x) => Math.min(Math.max(x, 0), 6), slope: (x) => (x > 0 && x < 6 ? 1 : 0) }],
  [
    'leaky_relu',
    {
      f: (x, o) => (x > 0 ? x : (o.negative_slope ?? 0.2) * x),
      slope: (x, _, o) => (x > 0 ? 1 : (o.negative_slope ?? 0.2)),
    },
  ],
  [
    'elu',
    {
      f: (x, o) => (x > 0 ? x : (o.alpha ?? 1) * Math.expm1(x)),
      slope: (x, _, o) => (x > 0 ? 1 : (o.alpha ?? 1) * Math.exp(x)),
    },
  ],
  [
    'selu',
    {
      f: (x) => SELU_SCALE * (x > 0 ? x : SELU_ALPHA * Math.expm1(x)),
      slope: (x) => SELU_SCALE * (x > 0 ? 1 : SELU_ALPHA * Math.exp(x)),
    },
  ],
  [
    'gelu',
    {
      f: (x) => x * normalCdf(x),
      slope: (x) => normalCdf(x) + (x * Math.exp((-x * x) / 2)) / Math.sqrt(2 * Math.PI),
    },
  ],
  ['silu', { f: (x) => x * sigmoid(x), slope: (x, y) => sigmoid(x) + y * (1 - sigmoid(x)) }],
  [
    'mish',
    {
      f: (x) => x * Math.tanh(softplus(x)),
      slope: (x) => {
        const t = Math.tanh(softplus(x));
        return t + x * (1 - t * t) * sigmoid(x);
      },
    },
  ],
  ['softplus', { f: softplus, slope: (x) => sigmoid(x) }],
  ['softsign', { f: (x) => x / (1 + Math.abs(x)), slope: (x) => 1 / (1 + Math.abs(x)) ** 2 }],
  ['sigmoid', { f: sigmoid, slope: (_, y) => y * (1 - y) }],
  ['hard_sigmoid', { f: (x) => Math.min(Math.max(x / 6 + 0.5, 0), 1), slope: (x) => (x > -3 && x < 3 ? 1 / 6 : 0) }],
  ['tanh', { f: Math.tanh, slope: (_, y) => 1 - y * y }],
  ['exponential', { f: Math.exp, slope: (_, y) => y }],
]);

const overRows = new Set(['softmax', 'log_softmax']);

export const knowsActivation = (name: string): boolean => elementwise.has(name) || overRows.has(name);
export const isElementwise = (name: string): boolean => elementwise.has(name);

export function activationForward(x: Tensor, options: ActivationOptions): Tensor {
  const each = elementwise.get(options.name);
  const y = tensor(x.shape);
  if (each) {
    for (let i = 0; i < x.data.length; i++) y.data[i] = each.f(x.data[i], options);
    return y;
  }
  const n = x.shape[x.shape.length - 1];
  for (let start = 0; start < x.data.length; start += n) {
    const row = x.data.subarray(start, start + n);
    const largest = row.reduce((a, b) => Math.max(a, b), -Infinity);
    const total = row.reduce((sum, value) => sum + Math.exp(value - largest), 0);
    for (let i = 0; i < n; i++)
      y.data[start + i] =
        options.name === 'softmax' ? Math.exp(row[i] - largest) / total : row[i] - largest - Math.log(total);
  }
  return y;
}

/** The slope of an elementwise activation at `x`, where it gave `y`: the gate a gradient passes. */
export const slopeAt = (x: number, y: number, options: ActivationOptions): number =>
  elementwise.get(options.name)?.slope(x, y, options) ?? NaN;

/** `dx = dy · f′(x)`; softmax: `dx = p · (dy − Σ p·dy)`; log-softmax: `dx = dy − p · Σ dy`. */
export function activationBackward(dy: Tensor, x: Tensor, y: Tensor, options: ActivationOptions): Tensor {
  const each = elementwise.get(options.name);
  const dx = tensor(x.shape);
  if (each) {
    for (let i = 0; i < x.data.length; i++) dx.data[i] = dy.data[i] * each.slope(x.data[i], y.data[i], options);
    return dx;
  }
  const n = x.shape[x.shape.length - 1];
  for (let start = 0; start < x.data.length; start += n) {
    let sum = 0;
    for (let i = start; i < start + n; i++) sum += options.name === 'softmax' ? y.data[i] * dy.data[i] : dy.data[i];
    for (let i = start; i < start + n; i++)
      dx.data[i] = options.name === 'softmax' ? y.data[i] * (dy.data[i] - sum) : dy.data[i] - Math.exp(y.data[i]) * sum;
  }
  return dx;
}
