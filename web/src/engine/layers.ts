/** What the engine can compute, by the layer's class. A class that is not here is shown as recorded. */
import { activationBackward, activationForward, type ActivationOptions } from './activations';
import * as conv from './convolution';
import { denseBackward, denseForward } from './dense';
import { concatenateBackward, concatenateForward, mergeBackward, mergeForward, merges } from './merging';
import * as norm from './normalization';
import * as pool from './pooling';
import * as shaping from './shaping';
import { once } from './remember';
import { map, reshaped, type Tensor } from './tensor';

export type Parameters = ReadonlyMap<string, Tensor>;
// Settings come from the record, whose shape depends on the class; each entry below reads those of its own class.
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type Options = Record<string, any>;

export interface Pass {
  inputs: Tensor[];
  parameters: Parameters;
  options: Options;
}

export interface Forward {
  output: Tensor;
  /** What backward, or a reader, wants to see again. */
  cache?: unknown;
}

/** The two halves of a backward pass, each computed when it is asked for. */
export interface Backward {
  inputs(): Tensor[];
  gradients?(): Record<string, Tensor | null>;
}

export interface Operation {
  /** `before` is an earlier call and what it gave: an operation may keep what has not changed since. */
  forward(pass: Pass, before?: Pass & Forward): Forward;
  backward(dy: Tensor, pass: Pass, done: Forward): Backward;
}

const get = (p: Parameters, name: string): Tensor | null => p.get(name) ?? null;

function need(p: Parameters, name: string): Tensor {
  const found = p.get(name);
  if (!found) throw new Error(`the record has no parameter ${name}.`);
  return found;
}

/** One input to one output by a function of the numbers alone. */
const simple = (
  forward: (x: Tensor, options: Options) => Tensor,
  backward: (dy: Tensor, x: Tensor, y: Tensor, options: Options) => Tensor,
): Operation => ({
  forward: ({ inputs, options }) => ({ output: forward(inputs[0], options) }),
  backward: (dy, { inputs, options }, { output }) => ({ inputs: () => [backward(dy, inputs[0], output, options)] }),
});

interface Convolution {
  forward(x: Tensor, w: Tensor, b: Tensor | null, o: never, before?: conv.Earlier): Tensor;
  input(dy: Tensor, shape: readonly number[], w: Tensor, o: never): Tensor;
  weights(dy: Tensor, x: Tensor, shape: readonly number[], o: never): { dw: Tensor; db: Tensor };
}

const convolution = ({ forward, input, weights }: Convolution): Operation => ({
  forward({ inputs: [x], parameters: p, options }, before) {
    const earlier = before && {
      x: before.inputs[0],
      w: need(before.parameters, 'kernel'),
      b: get(before.parameters, 'bias'),
      y: before.output,
    };
    return { output: forward(x, need(p, 'kernel'), get(p, 'bias'), options as never, earlier) };
  },
  backward(dy, { inputs: [x], parameters: p, options }) {
    const w = need(p, 'kernel');
    return {
      inputs: () => [input(dy, x.shape, w, options as never)],
      gradients: () => {
        const { dw, db } = weights(dy, x, w.shape, options as never);
        return { kernel: dw, bias: p.has('bias') ? db : null };
      },
    };
  },
});

const POINTWISE: conv.ConvolutionOptions = {
  strides: [1, 1],
  pads: [
    [0, 0],
    [0, 0],
  ],
  dilation: [1, 1],
  groups: 1,
};

const separable: Operation = {
  forward({ inputs: [x], parameters: p, options }) {
    const o = options as conv.ConvolutionOptions;
    const middle = conv.depthwiseConv2dForward(x, need(p, 'depthwise_kernel'), null, o);
    return {
      output: conv.conv2dForward(middle, need(p, 'pointwise_kernel'), get(p, 'bias'), POINTWISE),
      cache: middle,
    };
  },
  backward(dy, { inputs: [x], parameters: p, options }, { cache }) {
    const o = options as conv.ConvolutionOptions;
    const middle = cache as Tensor;
    const [first, second] = [need(p, 'depthwise_kernel'), need(p, 'pointwise_kernel')];
    const d_middle = once(() => conv.conv2dInputGradient(dy, middle.shape, second, POINTWISE));
    return {
      inputs: () => [conv.depthwiseInputGradient(d_middle(), x.shape, first, o)],
      gradients: () => {
        const { dw, db } = conv.conv2dWeightGradients(dy, middle, second.shape, POINTWISE);
        return {
          depthwise_kernel: conv.depthwiseWeightGradients(d_middle(), x, first.shape, o).dw,
          pointwise_kernel: dw,
          bias: p.has('bias') ? db : null,
        };
      },
    };
  },
};

const maxPooling = (
  settings: (x: Tensor, o: Options) => pool.PoolingOptions,
  shape: (y: Tensor, o: Options) => number[],
): Operation => ({
  forward: ({ inputs: [x], options }) => {
    const { y, winner } = pool.maxPool2dForward(x, settings(x, options));
    return { output: reshaped(y, shape(y, options)), cache: winner };
  },
  backward: (dy, { inputs: [x] }, { cache }) => ({
    inputs: () => [pool.maxPool2dBackward(dy, x, cache as Int32Array)],
  }),
});

const averagePooling = (
  settings: (x: Tensor, o: Options) => pool.PoolingOptions,
  shape: (y: Tensor, o: Options) => number[],
): Operation =>
  simple(
    (x, o) => {
      const y = pool.averagePool2dForward(x, settings(x, o));
      return reshaped(y, shape(y, o));
    },
    (dy, x, _, o) => pool.averagePool2dBackward(dy, x, settings(x, o)),
  );

const asPooling = (_: Tensor, o: Options) => o as pool.PoolingOptions;
const wholeMap = (x: Tensor) => pool.wholeMap(x.shape);
const sameShape = (y: Tensor): number[] => [...y.shape];
const vector = (y: Tensor, o: Options): number[] => (o.keepdims ? [...y.shape] : [y.shape[2]]);

function normalizationBackward(p: Parameters, compute: () => { dx: Tensor; dgamma: Tensor; dbeta: Tensor }): Backward {
  const all = once(compute);
  const only = (name: string, d: Tensor) => (p.has(name) ? d : null);
  return {
    inputs: () => [all().dx],
    gradients: () => ({ gamma: only('gamma', all().dgamma), beta: only('beta', all().dbeta) }),
  };
}

const batchNormalization: Operation = {
  forward({ inputs: [x], parameters: p, options }) {
    const moving = { mean: need(p, 'moving_mean'), variance: need(p, 'moving_variance') };
    const { y, cache } = norm.batchNormalizationForward(
      x,
      get(p, 'gamma'),
      get(p, 'beta'),
      moving,
      options.epsilon,
      options.training,
    );
    return { output: y, cache };
  },
  backward(dy, { parameters: p }, { cache }) {
    return normalizationBackward(p, () =>
      norm.batchNormalizationBackward(dy, get(p, 'gamma'), cache as norm.NormalizationCache),
    );
  },
};

const layerNormalization: Operation = {
  forward({ inputs: [x], parameters: p, options }) {
    const { y, cache } = norm.layerNormalizationForward(x, get(p, 'gamma'), get(p, 'beta'), options.epsilon);
    return { output: y, cache };
  },
  backward(dy, { parameters: p }, { cache }) {
    return normalizationBackward(p, () =>
      norm.layerNormalizationBackward(dy, get(p, 'gamma'), cache as norm.NormalizationCache),
    );
  },
};

const dense: Operation = {
  forward: ({ inputs: [x], parameters: p }) => ({ output: denseForward(x, need(p, 'kernel'), get(p, 'bias')) }),
  backward(dy, { inputs: [x], parameters: p }) {
    const all = once(() => denseBackward(dy, x, need(p, 'kernel')));
    return {
      inputs: () => [all().dx],
      gradients: () => ({ kernel: all().dw, bias: p.has('bias') ? all().db : null }),
    };
  },
};

const activation = simple(
  (x, o) => activationForward(x, o as ActivationOptions),
  (dy, x, y, o) => activationBackward(dy, x, y, o as ActivationOptions),
);
const identity = simple(
  (x) => x,
  (dy) => dy,
);
const newShape = simple(
  (x, o) => reshaped(x, o.target_shape),
  (dy, x) => reshaped(dy, x.shape),
);
const perChannel = (value: number | number[], i: number): number =>
  Array.isArray(value) ? value[i % value.length] : value;

export const operations = new Map<string, Operation>([
  [
    'Conv2D',
    convolution({ forward: conv.conv2dForward, input: conv.conv2dInputGradient, weights: conv.conv2dWeightGradients }),
  ],
  [
    'DepthwiseConv2D',
    convolution({
      forward: conv.depthwiseConv2dForward,
      input: conv.depthwiseInputGradient,
      weights: conv.depthwiseWeightGradients,
    }),
  ],
  [
    'Conv2DTranspose',
    convolution({
      forward: conv.conv2dTransposeForward,
      input: conv.transposeInputGradient,
      weights: conv.transposeWeightGradients,
    }),
  ],
  ['SeparableConv2D', separable],
  ['Dense', dense],
  ['MaxPooling2D', maxPooling(asPooling, sameShape)],
  ['AveragePooling2D', averagePooling(asPooling, sameShape)],
  ['GlobalMaxPooling2D', maxPooling(wholeMap, vector)],
  ['GlobalAveragePooling2D', averagePooling(wholeMap, vector)],
  ['BatchNormalization', batchNormalization],
  ['LayerNormalization', layerNormalization],
  ...['Activation', 'ReLU', 'LeakyReLU', 'ELU', 'Softmax'].map((name): [string, Operation] => [name, activation]),
  ...['Dropout', 'SpatialDropout2D', 'RandomFlip', 'RandomTranslation', 'RandomRotation', 'RandomZoom'].map(
    (name): [string, Operation] => [name, identity],
  ),
  ['Flatten', newShape],
  ['Reshape', newShape],
  [
    'ZeroPadding2D',
    simple(
      (x, o) => shaping.padForward(x, o.pads),
      (dy, x, _, o) => shaping.padBackward(dy, x, o.pads),
    ),
  ],
  [
    'Cropping2D',
    simple(
      (x, o) => shaping.padForward(x, shaping.negated(o.pads)),
      (dy, x, _, o) => shaping.padBackward(dy, x, shaping.negated(o.pads)),
    ),
  ],
  [
    'UpSampling2D',
    simple(
      (x, o) => shaping.upsampleForward(x, o.size, o.interpolation),
      (dy, x, _, o) => shaping.upsampleBackward(dy, x, o.size, o.interpolation),
    ),
  ],
  [
    'Rescaling',
    simple(
      (x, o) => map(x, (value, i) => value * perChannel(o.scale, i) + perChannel(o.offset, i)),
      (dy, _x, _y, o) => map(dy, (d, i) => d * perChannel(o.scale, i)),
    ),
  ],
  [
    'Concatenate',
    {
      forward: ({ inputs }) => ({ output: concatenateForward(inputs) }),
      backward: (dy, { inputs }) => ({ inputs: () => concatenateBackward(dy, inputs) }),
    },
  ],
  ...[...merges].map(([name, merge]): [string, Operation] => [
    name,
    {
      forward: ({ inputs }) => ({ output: mergeForward(inputs, merge) }),
      backward: (dy, { inputs }) => ({ inputs: () => mergeBackward(dy, inputs, merge) }),
    },
  ]),
]);

/** Adds the gradient of `l1·Σ|w| + l2·Σw²`. */
export const withRegularizer = (dw: Tensor, w: Tensor, { l1 = 0, l2 = 0 }: { l1?: number; l2?: number }): Tensor =>
  l1 || l2 ? map(dw, (d, i) => d + l1 * Math.sign(w.data[i]) + 2 * l2 * w.data[i]) : dw;
