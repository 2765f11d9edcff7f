import { z } from "zod";
import { GPUS_MAX } from "../core/vocabulary.ts";

/** GPUs, wherever somebody says how many: in the configuration, on the command line or in a heartbeat. Down to a thousandth. */
export const gpusSchema = z.number().min(0).max(GPUS_MAX).multipleOf(0.001);
/** The same in words. */
export const GPUS_RULE = `a multiple of 0.001 from 0 to ${GPUS_MAX}`;
