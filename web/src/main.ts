import { mount } from 'svelte';
import { readTensors } from './record/decode';
import type { ExplainerRecord } from './record/format';
import { App } from './ui/app.svelte';
import Page from './ui/Page.svelte';
import './ui/page.css';

async function readRecord(): Promise<ExplainerRecord> {
  const text = document.getElementById('record')?.textContent;
  if (text) return JSON.parse(text);
  if (import.meta.env.DEV)
    return (await fetch(`/records/${new URLSearchParams(location.search).get('r') ?? 'lenet5'}.json`)).json();
  throw new Error('this page holds no record. Make one with convolens.explain(model, x).save("page.html").');
}

const target = document.getElementById('app')!;
try {
  const record = await readRecord();
  const app = new App(record, await readTensors(record));
  document.title = `${record.model.name}: convolens explainer`;
  target.replaceChildren();
  mount(Page, { target, props: { app } });
} catch (error) {
  target.textContent = `The page could not be opened: ${error instanceof Error ? error.message : error}`;
  throw error;
}
