/** Equations in a few marks of TeX, turned into MathML: `_ ^ \frac \sqrt \sum \hat \text` and braces. */
export interface MathNode {
  tag: string;
  children: (MathNode | string)[];
}

const NAMED: Record<string, string> = {
  sum: '∑',
  partial: '∂',
  mu: 'μ',
  sigma: 'σ',
  gamma: 'γ',
  beta: 'β',
  epsilon: 'ε',
  alpha: 'α',
  eta: 'η',
  cdot: '·',
  times: '×',
  max: 'max',
  log: 'log',
  exp: 'exp',
  neq: '≠',
  in: '∈',
  leq: '≤',
  leftarrow: '←',
  approx: '≈',
  minus: '−',
  prime: '′',
  dots: '…',
  floor: '⌊',
  rfloor: '⌋',
};
const OPERATORS = new Set([
  'sum',
  'partial',
  'cdot',
  'times',
  'max',
  'log',
  'exp',
  'neq',
  'in',
  'leq',
  'leftarrow',
  'approx',
  'minus',
  'prime',
  'floor',
  'rfloor',
]);

export function parseMath(source: string): MathNode {
  const tokens = source.match(/\\[a-zA-Z]+|[A-Za-z]|\d+(?:\.\d+)?|\s+|./gu) ?? [];
  let at = 0;
  const node = (tag: string, ...children: (MathNode | string)[]): MathNode => ({ tag, children });

  function group(): MathNode {
    while (tokens[at]?.trim() === '') at++;
    if (tokens[at] !== '{') return atom();
    at++;
    const inside = row('}');
    at++;
    return inside;
  }
  function atom(): MathNode {
    const token = tokens[at++] ?? '';
    if (token === '\\frac') return node('mfrac', group(), group());
    if (token === '\\sqrt') return node('msqrt', group());
    if (token === '\\hat') return node('mover', group(), node('mo', '^'));
    if (token === '\\text') {
      at++;
      let text = '';
      while (at < tokens.length && tokens[at] !== '}') text += tokens[at++];
      at++;
      return node('mtext', text);
    }
    if (token.startsWith('\\')) {
      const name = token.slice(1);
      return node(OPERATORS.has(name) ? 'mo' : 'mi', NAMED[name] ?? name);
    }
    if (/^\d/.test(token)) return node('mn', token);
    if (/^\p{L}$/u.test(token)) return node('mi', token);
    return node('mo', token === '-' ? '−' : token === '*' ? '·' : token);
  }
  function row(end?: string): MathNode {
    const parts: MathNode[] = [];
    while (at < tokens.length && tokens[at] !== end) {
      if (tokens[at].trim() === '') {
        at++;
        continue;
      }
      if (tokens[at] === '_' || tokens[at] === '^') {
        const base = parts.pop() ?? node('mrow');
        const first = tokens[at++];
        const one = group();
        if ((tokens[at] === '_' || tokens[at] === '^') && tokens[at] !== first) {
          at++;
          const two = group();
          const [low, high] = first === '_' ? [one, two] : [two, one];
          parts.push(node('msubsup', base, low, high));
        } else if (first === '_' && base.children[0] === '∑') parts.push(node('munder', base, one));
        else parts.push(node(first === '_' ? 'msub' : 'msup', base, one));
        continue;
      }
      parts.push(tokens[at] === '{' ? group() : atom());
    }
    return node('mrow', ...parts);
  }
  return row();
}

const NAMESPACE = 'http://www.w3.org/1998/Math/MathML';

export function mathElement(source: string): Element {
  const build = ({ tag, children }: MathNode): Element => {
    const element = document.createElementNS(NAMESPACE, tag);
    for (const child of children) element.append(typeof child === 'string' ? child : build(child));
    return element;
  };
  const math = build({ tag: 'math', children: [parseMath(source)] });
  math.setAttribute('display', 'block');
  return math;
}

export interface Lesson {
  title: string;
  text: string;
  equations: string[];
}

const dy = '\\frac{\\partial L}{\\partial y}';

/** What the reader is looking at, by the equation's key. */
export const LESSONS: Record<string, Lesson> = {
  conv2d: {
    title: 'Convolution, forward',
    text: 'The kernel lies over a window of the input. In every input channel each cell is multiplied by the weight above it; all products of all channels are added, then the bias. Stride s moves the window, padding p is a border of zeros, dilation d spreads the weights.',
    equations: ['z_{i,j,f} = \\sum_{c} \\sum_{k,l} x_{is+kd-p,\\ js+ld-p,\\ c} \\cdot w_{k,l,c,f} + b_f'],
  },
  depthwise: {
    title: 'Depthwise convolution, forward',
    text: 'Every channel has kernels of its own: nothing is added across channels.',
    equations: ['z_{i,j,cm+q} = \\sum_{k,l} x_{is+k-p,\\ js+l-p,\\ c} \\cdot w_{k,l,c,q} + b_{cm+q}'],
  },
  separable: {
    title: 'Separable convolution, forward',
    text: 'First each channel is convolved by itself, then the results are mixed with one weight per pair of channels.',
    equations: ['z_{i,j,f} = \\sum_{c} v_{c,f} \\cdot \\sum_{k,l} x_{is+k-p,\\ js+l-p,\\ c} \\cdot w_{k,l,c} + b_f'],
  },
  transposed: {
    title: 'Transposed convolution, forward',
    text: 'Each input cell spreads the kernel, times its value, over the output; what falls on one output cell is added. It is the backward pass of a convolution used forward.',
    equations: ['z_{o,f} = \\sum_{i,k: is+k-p=o} \\sum_{c} x_{i,c} \\cdot w_{k,f,c} + b_f'],
  },
  dense: {
    title: 'Dense layer, forward',
    text: 'Every input times its own weight, added, plus the bias.',
    equations: ['z_f = \\sum_{n} x_n \\cdot w_{n,f} + b_f'],
  },
  maxpool: {
    title: 'Max pooling',
    text: 'The largest number of the window passes; the others are dropped. A tie goes to the first in reading order.',
    equations: ['y = \\max_{k,l} x_{is+k,\\ js+l}'],
  },
  avgpool: {
    title: 'Average pooling',
    text: 'The mean of the window. Cells of the padding do not count.',
    equations: ['y = \\frac{1}{n} \\sum_{k,l} x_{is+k,\\ js+l}'],
  },
  batchnorm: {
    title: 'Batch normalisation',
    text: 'Each channel is shifted and scaled to mean 0 and variance 1, then to a scale γ and a shift β of its own. In training μ and σ² come from the batch; in inference they are the moving averages.',
    equations: ['\\hat{x} = \\frac{x - \\mu}{\\sqrt{\\sigma^2 + \\epsilon}}', 'y = \\gamma \\cdot \\hat{x} + \\beta'],
  },
  layernorm: {
    title: 'Layer normalisation',
    text: 'As batch normalisation, but mean and variance are taken over the channels of one position.',
    equations: ['\\hat{x} = \\frac{x - \\mu}{\\sqrt{\\sigma^2 + \\epsilon}}', 'y = \\gamma \\cdot \\hat{x} + \\beta'],
  },
  softmax: {
    title: 'Softmax',
    text: 'The exponential of each score, divided by their sum: positive numbers that add up to 1. Subtracting the largest score changes nothing and avoids overflow.',
    equations: ['p_i = \\frac{\\exp(z_i - m)}{\\sum_{k} \\exp(z_k - m)}'],
  },
  activation: {
    title: 'Activation',
    text: 'A function of each number by itself. ReLU keeps what is positive and sets the rest to 0.',
    equations: ['y = f(x)', '\\text{ReLU}(x) = \\max(0, x)'],
  },
  merge: {
    title: 'Merging',
    text: 'Inputs of equal shape are joined cell by cell. In a residual network the sum lets the input pass unchanged beside what the branch adds.',
    equations: [
      'y = x_1 + x_2 \\text{ (Add), } x_1 \\cdot x_2 \\text{ (Multiply), } \\max(x_1, x_2) \\text{ (Maximum)}',
    ],
  },
  concatenate: {
    title: 'Concatenation',
    text: 'The maps of the inputs one after the other. Nothing is computed.',
    equations: ['y_c = x_{1,\\ c} \\text{ for } c < C_1, \\text{ then } x_{2,\\ c - C_1}'],
  },
  padding: {
    title: 'Zero padding',
    text: 'A border of zeros, so that windows can lie over the edge.',
    equations: ['y_{i,j} = x_{i-p,\\ j-q} \\text{ on the image, } 0 \\text{ around it}'],
  },
  cropping: { title: 'Cropping', text: 'The border is cut away.', equations: ['y_{i,j} = x_{i+p,\\ j+q}'] },
  reshape: {
    title: 'Reshaping',
    text: 'The same numbers in another shape. Flatten reads row by row, and within a cell channel by channel.',
    equations: ['n = (i \\cdot W + j) \\cdot C + c'],
  },
  upsampling: {
    title: 'Upsampling',
    text: 'Each cell becomes several: repeated (nearest), or a mean of its neighbours by distance (bilinear).',
    equations: ['y_o = \\sum_{i} a_{o,i} \\cdot x_i'],
  },
  rescaling: {
    title: 'Rescaling',
    text: 'Every number times a constant, plus a constant.',
    equations: ['y = a \\cdot x + b'],
  },
  identity: {
    title: 'Nothing in inference',
    text: 'This layer changes its input in training only. Here it passes it on.',
    equations: ['y = x'],
  },
  input: {
    title: 'The input',
    text: 'The numbers of the image as the network gets them.',
    equations: ['x_{\\text{row},\\ \\text{column},\\ \\text{channel}}'],
  },
  other: {
    title: 'A layer the page does not compute',
    text: 'Its numbers are shown as recorded. Changes made here stop before it.',
    equations: [],
  },
  'conv2d-dx': {
    title: 'Convolution, back to an input',
    text: 'An input cell was seen by every window that covered it, each time through another weight. Each of those outputs sends its gradient back through that same weight, and all of them add up.',
    equations: [
      '\\frac{\\partial L}{\\partial x_{i,j,c}} = \\sum_{f} \\sum_{k,l} \\frac{\\partial L}{\\partial z_{(i+p-k)/s,\\ (j+p-l)/s,\\ f}} \\cdot w_{k,l,c,f}',
    ],
  },
  'transposed-dx': {
    title: 'Transposed convolution, back to an input',
    text: 'The input cell spread itself over a window of the output; it collects the gradients of that window through the same weights.',
    equations: [
      '\\frac{\\partial L}{\\partial x_{i,c}} = \\sum_{f} \\sum_{k} \\frac{\\partial L}{\\partial z_{is+k-p,f}} \\cdot w_{k,f,c}',
    ],
  },
  'dense-dx': {
    title: 'Dense layer, back to an input',
    text: 'The input fed every unit; each sends its gradient back through the weight between them.',
    equations: ['\\frac{\\partial L}{\\partial x_n} = \\sum_{f} \\frac{\\partial L}{\\partial z_f} \\cdot w_{n,f}'],
  },
  'maxpool-dx': {
    title: 'Max pooling, backward',
    text: 'A switch: the gradient goes to the cell that won, and to no other.',
    equations: ['\\frac{\\partial L}{\\partial x} = ' + dy + ' \\text{ for the winner, } 0 \\text{ elsewhere}'],
  },
  'avgpool-dx': {
    title: 'Average pooling, backward',
    text: 'Every cell of the window gets an equal share.',
    equations: ['\\frac{\\partial L}{\\partial x} = \\frac{1}{n} ' + dy],
  },
  'batchnorm-dx': {
    title: 'Batch normalisation, backward',
    text: 'In training a number acts in three ways: by itself, through the mean, and through the variance. In inference only the first is left.',
    equations: [
      '\\frac{\\partial L}{\\partial x} = \\frac{\\gamma}{\\sqrt{\\sigma^2 + \\epsilon}} (d - \\text{mean}(d) - \\hat{x} \\cdot \\text{mean}(d \\cdot \\hat{x})), \\text{  } d = ' +
        dy,
    ],
  },
  'layernorm-dx': {
    title: 'Layer normalisation, backward',
    text: 'As batch normalisation, with γ inside the means.',
    equations: [
      '\\frac{\\partial L}{\\partial x} = \\frac{1}{\\sqrt{\\sigma^2 + \\epsilon}} (d - \\text{mean}(d) - \\hat{x} \\cdot \\text{mean}(d \\cdot \\hat{x})), \\text{  } d = \\gamma ' +
        dy,
    ],
  },
  'softmax-dx': {
    title: 'Softmax, backward',
    text: 'Raising one score lowers the share of all others, so the mean gradient is taken off.',
    equations: ['\\frac{\\partial L}{\\partial z_i} = p_i (d_i - \\sum_{k} p_k d_k)'],
  },
  'activation-dx': {
    title: 'The activation’s gate',
    text: 'The gradient is multiplied by the slope of the activation. For ReLU the gate is open (1) where the number was positive and shut (0) elsewhere.',
    equations: ['\\frac{\\partial L}{\\partial z} = ' + dy + ' \\cdot f\\prime(z)'],
  },
  'merge-dx': {
    title: 'Merging, backward',
    text: 'A sum sends its gradient unchanged to every input: the shortcut of a residual network. A product sends it times the other inputs.',
    equations: ['\\frac{\\partial L}{\\partial x_1} = ' + dy],
  },
  'copy-dx': {
    title: 'A copy, backward',
    text: 'The number was only moved, so its gradient moves back.',
    equations: ['\\frac{\\partial L}{\\partial x} = ' + dy],
  },
  'upsampling-dx': {
    title: 'Upsampling, backward',
    text: 'All cells made from this one send their gradient back, each times its share.',
    equations: ['\\frac{\\partial L}{\\partial x_i} = \\sum_{o} a_{o,i} \\cdot \\frac{\\partial L}{\\partial y_o}'],
  },
  'rescaling-dx': {
    title: 'Rescaling, backward',
    text: 'The gradient times the constant.',
    equations: ['\\frac{\\partial L}{\\partial x} = a \\cdot ' + dy],
  },
  'p-minus-t': {
    title: 'Where the gradient begins',
    text: 'Softmax (or sigmoid) and its cross-entropy together have the simplest gradient there is: what the network said minus what was true.',
    equations: ['\\frac{\\partial L}{\\partial z_i} = p_i - t_i'],
  },
  fork: {
    title: 'A fork',
    text: 'A number that several layers read acts through each of them; the gradients add.',
    equations: ['\\frac{\\partial L}{\\partial x} = \\sum_{k} \\frac{\\partial L}{\\partial x}|_k'],
  },
  'conv2d-dw': {
    title: 'Back to a weight of a kernel',
    text: 'One weight is used at every position of the window. Its gradient adds, over all of them, the input it saw there times the gradient that came back there.',
    equations: [
      '\\frac{\\partial L}{\\partial w_{k,l,c,f}} = \\sum_{i,j} x_{is+k-p,\\ js+l-p,\\ c} \\cdot \\frac{\\partial L}{\\partial z_{i,j,f}}',
    ],
  },
  'dense-dw': {
    title: 'Back to a weight between two units',
    text: 'The weight joins one input to one output: its gradient is that input times the gradient that came back to that output, added over the positions where there are several.',
    equations: [
      '\\frac{\\partial L}{\\partial w_{n,f}} = \\sum_{i} x_{i,n} \\cdot \\frac{\\partial L}{\\partial z_{i,f}}',
    ],
  },
  'shift-dw': {
    title: 'Back to a bias or a shift',
    text: 'It is added to every number of its channel, so it collects all their gradients.',
    equations: ['\\frac{\\partial L}{\\partial b_f} = \\sum_{i,j} \\frac{\\partial L}{\\partial z_{i,j,f}}'],
  },
  'scale-dw': {
    title: 'Back to a scale',
    text: 'It multiplies every normalised number of its channel; its gradient adds each of them times what came back there.',
    equations: [
      '\\frac{\\partial L}{\\partial \\gamma_f} = \\sum_{i,j} \\hat{x}_{i,j,f} \\cdot \\frac{\\partial L}{\\partial y_{i,j,f}}',
    ],
  },
  network: {
    title: 'The network',
    text: 'Each column is a layer with its maps, drawn to one scale; the numbers run from left to right, and the gradients back from the loss. Lines join a map to those that feed it: the colour is the sign of the mean weight between them, the strength its size.',
    equations: ['x_{l+1} = f_l(x_l)'],
  },
  training: {
    title: 'Training, epoch by epoch',
    text: 'The same image after each recorded epoch: filters, maps, gradients, how far a step moves the weights, and how many ReLU maps are dead. A healthy step changes weights by about a thousandth of their size.',
    equations: ['w \\leftarrow w - \\eta \\frac{\\partial L}{\\partial w}'],
  },
  trust: {
    title: 'Where trust comes from',
    text: 'Every number was computed twice by programs that share no code, and the certificate compares each layer with plain loops in float64 and each gradient with a difference quotient.',
    equations: ['\\frac{\\partial L}{\\partial w} \\approx \\frac{L(w + h) - L(w - h)}{2 h}'],
  },
  loss: {
    title: 'The loss',
    text: 'How surprised the network is by the truth: minus the logarithm of the probability it gave to the true class. 0 for certainty, and large for a confident mistake.',
    equations: ['L = -\\log p_{\\text{true}}'],
  },
  walk: {
    title: 'The chain rule, step by step',
    text: 'From the loss back to one number of the image. Each step multiplies by one more slope; of every sum the walk follows the largest term, and shows what share of the whole it is.',
    equations: [
      '\\frac{\\partial L}{\\partial x} = \\frac{\\partial L}{\\partial y} \\cdot \\frac{\\partial y}{\\partial x}',
    ],
  },
  saliency: {
    title: 'Saliency',
    text: 'How much the score of the class would change if a pixel changed a little: the size of the gradient of the score at that pixel, the largest over the channels (Simonyan, Vedaldi and Zisserman, 2013).',
    equations: ['S_{i,j} = \\max_c |\\frac{\\partial z_k}{\\partial x_{i,j,c}}|'],
  },
  gradcam: {
    title: 'Grad-CAM',
    text: 'Each map of a layer is weighted by the mean gradient of the class score over it; the weighted maps are added and what is negative is cut off (Selvaraju et al., 2017).',
    equations: [
      '\\alpha_f = \\frac{1}{n} \\sum_{i,j} \\frac{\\partial z_k}{\\partial A_{i,j,f}}',
      'M_{i,j} = \\max(0, \\sum_{f} \\alpha_f A_{i,j,f})',
    ],
  },
  occlusion: {
    title: 'Occlusion',
    text: 'A patch of the image is covered and the network asked again. Where the probability falls most, the answer rested on that patch (Zeiler and Fergus, 2014).',
    equations: ['D_{i,j} = p_k(x) - p_k(x \\text{ without the patch at } i,j)'],
  },
  receptive: {
    title: 'Receptive field',
    text: 'The part of the image that can reach one cell at all, through every window on the way.',
    equations: ['r_{l-1} = (r_l - 1) \\cdot s_l + (k_l - 1) \\cdot d_l + 1'],
  },
};
