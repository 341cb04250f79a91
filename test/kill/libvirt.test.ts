import { testsThatItSurvives } from './survives.js';

testsThatItSurvives('libvirt');
