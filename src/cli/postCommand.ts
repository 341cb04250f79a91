#!/usr/bin/env node
import { readSettings } from '../config/settings.js';
import { postCommand } from './historic.js';
import { runHistoric } from './runHistoric.js';

await runHistoric(postCommand(readSettings()));
