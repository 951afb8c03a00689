/**
 * The house rules that no linter of ours knows, each as a function from a file to complaints.
 * Which files a rule applies to is said in `tidy.test.ts`.
 */
import ts from 'typescript';

import { nodesOf, parse } from './workspace.js';

/** A file to judge; `path` is relative to the root. */
export interface Source {
  readonly path: string;
  readonly text: string;
}

/** Complaints, each beginning with `path:line`; empty when the file keeps the rule. */
export type Rule = (source: Source) => string[];

const maxFileLines = 400;
const maxFunctionLines = 70;
const maxParameters = 5;
const maxColumns = 100;
const maxHeaderLines = 8;

const tree = ({ path, text }: Source): ts.SourceFile => parse(path, text);
const lineOf = (file: ts.SourceFile, position: number): number =>
  file.getLineAndCharacterOfPosition(position).line + 1;
const at = (source: Source, line: number, complaint: string): string =>
  `${source.path}:${line} ${complaint}`;

/** Each source file opens with a comment that says what it owns and what it does not. */
export const opensWithHeader: Rule = (source) => {
  const header = /^(?:#!.*\n)?\/\*\*[\s\S]*?\*\//.exec(source.text)?.[0];
  if (header === undefined) return [at(source, 1, 'does not open with a /** header */')];
  const lines = header.split('\n').filter((line) => /[\p{L}\d]/u.test(line)).length;
  if (lines < 2) return [at(source, 1, 'has a header of one line: say what it owns, and not')];
  return lines > maxHeaderLines ? [at(source, 1, `has a header of ${lines} lines`)] : [];
};

/** A file is one noun: at most 400 lines. */
export const isShort: Rule = (source) => {
  const lines = source.text.trimEnd().split('\n').length;
  return lines > maxFileLines ? [at(source, lines, `file of ${lines} lines: cut it in two`)] : [];
};

/** At most 100 columns; an address or one long literal cannot be broken. */
export const fitsColumns: Rule = (source) =>
  source.text.split('\n').flatMap((line, index) => {
    // A title of a test is a sentence in one text: it cannot be broken either.
    const isTitle = /^\s*(?:(?:test|describe|inBrowser)\b.*\(|\]\)\()?['"`].*(?:=>|,)/.test(line);
    const unbreakable = isTitle || /https?:\/\/\S+|['"`][^\s'"`]{60,}['"`]/.test(line);
    return line.length > maxColumns && !unbreakable
      ? [at(source, index + 1, `${line.length} columns`)]
      : [];
  });

/** Functions of at most 70 lines. */
export const hasShortFunctions: Rule = (source) => {
  const file = tree(source);
  return [...nodesOf(file)].filter(ts.isFunctionLike).flatMap((node) => {
    const start = lineOf(file, node.getStart(file));
    const lines = lineOf(file, node.end) - start + 1;
    return lines > maxFunctionLines ? [at(source, start, `function of ${lines} lines`)] : [];
  });
};

/** Functions of at most 5 parameters; past 3, one named object reads better. */
export const hasFewParameters: Rule = (source) => {
  const file = tree(source);
  return [...nodesOf(file)].filter(ts.isFunctionLike).flatMap((node) => {
    const count = node.parameters.length;
    const line = lineOf(file, node.getStart(file));
    return count > maxParameters ? [at(source, line, `${count} parameters: use an object`)] : [];
  });
};

/** A call that is banned, what to use instead, and the files that provide the replacement. */
export interface Ban {
  readonly call: string;
  readonly instead: string;
  readonly allowedIn: readonly string[];
}

/** Refuses every mention of the banned names as code; comments and strings do not count. */
export function avoids(bans: readonly Ban[]): Rule {
  return (source) => {
    const file = tree(source);
    return [...nodesOf(file)].flatMap((node) => {
      const name = nameOf(node, file);
      const ban = bans.find(({ call }) => call === name);
      if (ban === undefined || ban.allowedIn.includes(source.path)) return [];
      return [at(source, lineOf(file, node.getStart(file)), `${ban.call}: ${ban.instead}`)];
    });
  };
}

/** `a.b` for a property access, `new X(` for a construction, `new X()` if without arguments. */
function nameOf(node: ts.Node, file: ts.SourceFile): string | undefined {
  if (ts.isPropertyAccessExpression(node)) {
    return node.getText(file).replace(/^(globalThis|window|self)\./, '');
  }
  if (ts.isThrowStatement(node) && ts.isNewExpression(node.expression)) {
    return `throw new ${node.expression.expression.getText(file)}`;
  }
  if (ts.isNewExpression(node) && (node.arguments ?? []).length === 0) {
    return `new ${node.expression.getText(file)}()`;
  }
  return undefined;
}

/** A door names what it lets through. */
export const namesItsExports: Rule = (source) => {
  const file = tree(source);
  return [...nodesOf(file)]
    .filter((node) => ts.isExportDeclaration(node) && node.exportClause === undefined)
    .map((node) => at(source, lineOf(file, node.getStart(file)), 'export *: name each export'));
};

/** Refuses words, anywhere in a text. */
export function avoidsWords(words: readonly RegExp[]): Rule {
  return (source) =>
    source.text.split('\n').flatMap((line, index) =>
      words.flatMap((word) => {
        const found = word.exec(line);
        return found === null ? [] : [at(source, index + 1, `says ${found[0]}`)];
      }),
    );
}

/** The sections that a text cites, as `protocol.md §2.3` or `protocol.md §2.3, §2.5–2.7`. */
export function citations({ text }: Source): { document: string; section: string }[] {
  const comment = text.replaceAll(/\n\s*(?:\*|\/\/)?\s*/g, ' ');
  const list = /([a-z-]+\.md) ((?:§?\d+(?:\.\d+)*(?:\s*(?:,|and|to|–|-|or)\s*(?=§|\d))?)+)/g;
  return [...comment.matchAll(list)]
    .filter(([, , sections]) => sections?.startsWith('§') === true)
    .flatMap(([, document = '', sections = '']) =>
      [...sections.matchAll(/\d+(?:\.\d+)*/g)].map(([section]) => ({ document, section })),
    );
}

/** The numbers of the headings of a Markdown text: `### 2.3 Handshake` gives `2.3`. */
export function headingNumbers(markdown: string): Set<string> {
  const headings = markdown.matchAll(/^#{1,6}\s+(?:§\s*)?(\d+(?:\.\d+)*)\b/gm);
  return new Set([...headings].map(([, number = '']) => number));
}
