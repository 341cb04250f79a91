#!/usr/bin/env node
import { vcbUtil } from './historic.js';
import { runHistoric } from './runHistoric.js';

await runHistoric(vcbUtil());
