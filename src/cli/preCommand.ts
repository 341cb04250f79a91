#!/usr/bin/env node
import { preCommand } from './historic.js';
import { runHistoric } from './runHistoric.js';

await runHistoric(preCommand());
