#!/usr/bin/env node
import { postCommand } from './historic.js';
import { runHistoric } from './runHistoric.js';

await runHistoric(postCommand());
