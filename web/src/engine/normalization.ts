import { sizeOf, tensor, type Tensor } from './tensor';

/**
 * What normalisation remembers. Feature `i % features` shares one mean and one inverse deviation when `perFeature`
 * (batch normalisation); otherwise each run of `features` numbers does (layer normalisation).
 */
export interface NormalizationCache {
  xhat: Float64Array;
  mean: Float64Array;
  variance: Float64Array;
  inverse: Float64Array;
  batch: boolean;
}

/** `x̂ = (x − μ) / √(σ² + ε)`, `y = γ·x̂ + β`, with the moving statistics, or (training) those of these values. */
export function batchNormalizationForward(
  x: Tensor,
  gamma: Tensor | null,
  beta: Tensor | null,
  moving: { mean: Tensor; variance: Tensor },
  epsilon: number,
  training: boolean,
): { y: Tensor; cache: NormalizationCache } {
  const features = x.shape[x.shape.length - 1];
  const xs = x.data;
  const mean = moving.mean.data.slice();
  const variance = moving.variance.data.slice();
  const count = x.data.length / features;
  if (training) {
    mean.fill(0);
    variance.fill(0);
    for (let i = 0; i < xs.length;) for (let f = 0; f < features; f++, i++) mean[f] += xs[i] / count;
    for (let i = 0; i < xs.length;)
      for (let f = 0; f < features; f++, i++) variance[f] += (xs[i] - mean[f]) ** 2 / count;
  }
  const inverse = variance.map((value) => 1 / Math.sqrt(value + epsilon));
  const xhat = new Float64Array(x.data.length);
  const y = tensor(x.shape);
  const scale = gamma?.data ?? new Float64Array(features).fill(1);
  const shift = beta?.data ?? new Float64Array(features);
  for (let i = 0; i < xs.length;)
    for (let f = 0; f < features; f++, i++) {
      xhat[i] = (xs[i] - mean[f]) * inverse[f];
      y.data[i] = xhat[i] * scale[f] + shift[f];
    }
  return { y, cache: { xhat, mean, variance, inverse, batch: training } };
}

/** `dγ = Σ dy·x̂`, `dβ = Σ dy`; in training `dx = γ/σ · (dy − mean(dy) − x̂ · mean(dy·x̂))`, in inference `dx = γ/σ · dy`. */
export function batchNormalizationBackward(dy: Tensor, gamma: Tensor | null, cache: NormalizationCache) {
  const features = dy.shape[dy.shape.length - 1];
  const count = dy.data.length / features;
  const dgamma = tensor([features]);
  const dbeta = tensor([features]);
  const { xhat } = cache;
  for (let i = 0; i < xhat.length;)
    for (let f = 0; f < features; f++, i++) {
      dgamma.data[f] += dy.data[i] * xhat[i];
      dbeta.data[f] += dy.data[i];
    }
  const dx = tensor(dy.shape);
  const factor = cache.inverse.map((value, f) => (gamma ? gamma.data[f] : 1) * value);
  for (let i = 0; i < xhat.length;)
    for (let f = 0; f < features; f++, i++) {
      const d = dy.data[i];
      const centred = cache.batch ? d - dbeta.data[f] / count - (xhat[i] * dgamma.data[f]) / count : d;
      dx.data[i] = factor[f] * centred;
    }
  return { dx, dgamma, dbeta };
}

/** As batch normalisation, but over the last axis of each position. */
export function layerNormalizationForward(x: Tensor, gamma: Tensor | null, beta: Tensor | null, epsilon: number) {
  const features = x.shape[x.shape.length - 1];
  const rows = sizeOf(x.shape) / features;
  const [mean, variance, inverse] = [new Float64Array(rows), new Float64Array(rows), new Float64Array(rows)];
  const xhat = new Float64Array(x.data.length);
  const y = tensor(x.shape);
  for (let row = 0; row < rows; row++) {
    const start = row * features;
    for (let f = 0; f < features; f++) mean[row] += x.data[start + f] / features;
    for (let f = 0; f < features; f++) variance[row] += (x.data[start + f] - mean[row]) ** 2 / features;
    inverse[row] = 1 / Math.sqrt(variance[row] + epsilon);
    for (let f = 0; f < features; f++) {
      xhat[start + f] = (x.data[start + f] - mean[row]) * inverse[row];
      y.data[start + f] = xhat[start + f] * (gamma ? gamma.data[f] : 1) + (beta ? beta.data[f] : 0);
    }
  }
  return { y, cache: { xhat, mean, variance, inverse, batch: true } satisfies NormalizationCache };
}

export function layerNormalizationBackward(dy: Tensor, gamma: Tensor | null, cache: NormalizationCache) {
  const features = dy.shape[dy.shape.length - 1];
  const [dx, dgamma, dbeta] = [tensor(dy.shape), tensor([features]), tensor([features])];
  for (let start = 0, row = 0; start < dy.data.length; start += features, row++) {
    let [meanOfD, meanOfDX] = [0, 0];
    for (let f = 0; f < features; f++) {
      const d = dy.data[start + f] * (gamma ? gamma.data[f] : 1);
      meanOfD += d / features;
      meanOfDX += (d * cache.xhat[start + f]) / features;
      dgamma.data[f] += dy.data[start + f] * cache.xhat[start + f];
      dbeta.data[f] += dy.data[start + f];
    }
    for (let f = 0; f < features; f++) {
      const d = dy.data[start + f] * (gamma ? gamma.data[f] : 1);
      dx.data[start + f] = cache.inverse[row] * (d - meanOfD - cache.xhat[start + f] * meanOfDX);
    }
  }
  return { dx, dgamma, dbeta };
}
