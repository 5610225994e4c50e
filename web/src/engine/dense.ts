import { tensor, type Tensor } from './tensor';

/** `y[f] = Σ x[n] · w[n, f] + b[f]` over the last axis. */
export function denseForward(x: Tensor, w: Tensor, b: Tensor | null): Tensor {
  const [inputs, units] = w.shape;
  const rows = x.data.length / inputs;
  const y = tensor([...x.shape.slice(0, -1), units]);
  for (let row = 0; row < rows; row++) {
    const cell = row * units;
    for (let n = 0; n < inputs; n++) {
      const value = x.data[row * inputs + n];
      if (value === 0) continue;
      for (let f = 0, k = n * units; f < units; f++, k++) y.data[cell + f] += value * w.data[k];
    }
    if (b) for (let f = 0; f < units; f++) y.data[cell + f] += b.data[f];
  }
  return y;
}

/** `dx = w · dy`, `dw = x · dy`, `db = dy`, summed over positions where there are several. */
export function denseBackward(dy: Tensor, x: Tensor, w: Tensor): { dx: Tensor; dw: Tensor; db: Tensor } {
  const [inputs, units] = w.shape;
  const rows = x.data.length / inputs;
  const [dx, dw, db] = [tensor(x.shape), tensor(w.shape), tensor([units])];
  for (let row = 0; row < rows; row++) {
    const cell = row * units;
    for (let n = 0; n < inputs; n++) {
      const value = x.data[row * inputs + n];
      let sum = 0;
      for (let f = 0, k = n * units; f < units; f++, k++) {
        sum += dy.data[cell + f] * w.data[k];
        dw.data[k] += value * dy.data[cell + f];
      }
      dx.data[row * inputs + n] = sum;
    }
    for (let f = 0; f < units; f++) db.data[f] += dy.data[cell + f];
  }
  return { dx, dw, db };
}
