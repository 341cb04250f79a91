/** For light and dark surroundings, and for paper. */
export const STYLE = `
:root { color-scheme: light dark; font: 14px/1.4 system-ui, sans-serif; }
body { margin: 2em; }
table { border-collapse: collapse; margin: 1em 0; }
th, td { padding: 2px 6px; text-align: left; white-space: nowrap; }
.grid td, .grid .day { text-align: center; min-width: 1.2em; }
tbody tr:nth-child(even) { background: color-mix(in srgb, currentColor 6%, transparent); }
.succeeded { background: #2e7d32; color: #fff; }
.failed { background: #c62828; color: #fff; }
.cancelled { background: #757575; color: #fff; }
.running { background: #1565c0; color: #fff; }
.held { background: #ef6c00; color: #000; }
.key span { padding: 2px 6px; }
polyline { fill: none; stroke: currentColor; stroke-width: 1.5; }
svg { vertical-align: middle; }
`;
