// Puts the built script and stylesheet into one HTML file, under a content security policy that lets nothing else in.
import { createHash } from 'node:crypto';
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';

const build = new URL('../build/', import.meta.url);
const target = new URL('../../src/convolens/explainer/template.html', import.meta.url);
const assets = readdirSync(new URL('assets/', build));
const read = (ending) => readFileSync(new URL(`assets/${assets.find((name) => name.endsWith(ending))}`, build), 'utf8');

const script = read('.js').replaceAll('</script', '<\\/script').trim();
const style = read('.css').trim();
const hash = createHash('sha256').update(script).digest('base64');
const policy = [
  "default-src 'none'",
  `script-src 'sha256-${hash}'`,
  "style-src 'unsafe-inline'",
  'img-src data: blob:',
  "base-uri 'none'",
  "form-action 'none'",
].join('; ');

// What Svelte compiles to brings these along.
const licences = { svelte: 'LICENSE.md', clsx: 'license' };
const notices = Object.entries(licences)
  .map(
    ([name, file]) =>
      `\n${name}\n${readFileSync(new URL(`../node_modules/${name}/${file}`, import.meta.url), 'utf8').trim()}`,
  )
  .join('\n')
  .replaceAll('--', '- -');

const page = `<!doctype html>
<!--
Built from web/ of convolens. Holds parts of these packages, under their licences:
${notices}
-->
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>convolens explainer</title>
<link rel="icon" href="data:,">
<style>${style}</style>
</head>
<body>
<div id="app">Reading the record …</div>
<script type="application/json" id="record"></script>
<script type="module">${script}</script>
</body>
</html>
`;

if (process.argv.includes('--verify')) {
  if (readFileSync(target, 'utf8') !== page) {
    console.error(
      'src/convolens/explainer/template.html is not what web/ builds: run "npm run build" in web/ and commit the result.',
    );
    process.exit(1);
  }
  console.log('the committed page is what the source builds');
} else {
  writeFileSync(target, page);
  console.log(`wrote template.html, ${(page.length / 1024).toFixed(0)} kB`);
}
