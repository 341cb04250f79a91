import { testsThatItSurvives } from './survives.js';

testsThatItSurvives('vsphere');
