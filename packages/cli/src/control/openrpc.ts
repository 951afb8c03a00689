/**
 * The control socket described by OpenRPC, for those who write a client in another language.
 * Owns the document; shapes are `schemas`'.
 */
import { z } from 'zod';
import { version } from '../version.js';
import { CONTROL_PROTOCOL } from './api.js';
import { METHODS } from './schemas.js';

/** The document. */
export function describeMethods(): object {
  return {
    openrpc: '1.3.2',
    info: {
      title: 'AgentMesh control socket',
      version,
      description: `One object a line. The first one is hello, with protocol ${CONTROL_PROTOCOL}.`,
    },
    methods: Object.entries(METHODS).map(([name, { summary, params, result }]) => ({
      name,
      summary,
      paramStructure: 'by-name',
      params: paramsOf(params),
      result: { name: 'result', schema: schemaOf(result) },
      errors: [ERROR],
    })),
    components: { errors: { AgentMeshError: ERROR } },
  };
}

const ERROR = {
  code: -32_000,
  message: 'A sentence',
  data: { code: 'STABLE_CODE', retryable: false, message: 'A sentence', remedy: null },
};

function schemaOf(schema: z.ZodType): Record<string, unknown> {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io: 'input' });
  return rest;
}

function paramsOf(schema: z.ZodType): object[] {
  const { properties = {}, required = [] } = schemaOf(schema) as {
    readonly properties?: Record<string, object>;
    readonly required?: readonly string[];
  };
  return Object.entries(properties).map(([name, one]) => ({
    name,
    required: required.includes(name),
    schema: one,
  }));
}
