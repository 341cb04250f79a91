import { html, type Html } from './html.js';

const WIDTH = 90;
const HEIGHT = 18;

/** A small plot of values in order of time, from nought up to the greatest. */
export function plot(values: readonly number[]): Html {
  if (values.length < 2) return html``;
  const greatest = Math.max(...values, 1);
  const points = values.map((value, n) => {
    const x = (n * WIDTH) / (values.length - 1);
    const y = HEIGHT - (value * HEIGHT) / greatest;
    return `${x.toFixed(1)},${y.toFixed(1)}`;
  });
  return html`<svg
    width="${WIDTH}"
    height="${HEIGHT}"
    viewBox="0 -1 ${WIDTH} ${HEIGHT + 2}"
    aria-hidden="true"
  >
    <polyline points="${points.join(' ')}" />
  </svg>`;
}
