// Checks of the published declarations.
import ts from 'typescript';

/**
 * Types that the declarations of the public exports name, although no entry exports them, each as `CaptureService: CaptureParts`. Users cannot
 * import such a type, and the API reference does not describe it.
 *
 * @param entries paths of the declaration files of all entries of one build
 */
export function internalTypes(entries) {
  const program = ts.createProgram(entries, {
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    skipLibCheck: true,
    types: ['node'],
  });
  const checker = program.getTypeChecker();
  const resolved = (symbol) => (symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol);
  const isOurs = (symbol) =>
    symbol.declarations?.some(
      (declaration) =>
        !ts.isTypeParameterDeclaration(declaration) &&
        !program.isSourceFileFromExternalLibrary(declaration.getSourceFile()) &&
        !program.isSourceFileDefaultLibrary(declaration.getSourceFile()),
    );

  const isPublic = new Set();
  const pending = [];
  for (const entry of entries) {
    const module = checker.getSymbolAtLocation(program.getSourceFile(entry));
    for (const exported of module === undefined ? [] : checker.getExportsOfModule(module)) {
      const symbol = resolved(exported);
      isPublic.add(symbol);
      pending.push({ name: exported.name, symbol });
      if (!(symbol.flags & ts.SymbolFlags.Variable)) continue;
      // `const CaptureService: typeof CaptureServiceClass` exports the class under another name.
      for (const signature of checker.getTypeOfSymbol(symbol).getConstructSignatures()) {
        const declared = signature.getReturnType().symbol;
        isPublic.add(declared);
        pending.push({ name: exported.name, symbol: declared });
      }
    }
  }

  const found = new Set();
  const visited = new Set();
  for (const { name, symbol } of pending) {
    if (visited.has(symbol)) continue;
    visited.add(symbol);
    const visit = (node) => {
      ts.forEachChild(node, visit);
      const identifier = nameOfType(node);
      const reference = identifier && checker.getSymbolAtLocation(identifier);
      if (!reference) return;
      const named = resolved(reference);
      if (!isOurs(named) || isPublic.has(named)) return;
      // A constant, such as the base class that Nest builds, counts as the types that its own declaration names, and so does an alias of `any`.
      if (!(named.flags & ts.SymbolFlags.Type)) pending.push({ name, symbol: named });
      else if (!(checker.getDeclaredTypeOfSymbol(named).flags & ts.TypeFlags.Any)) found.add(`${name}: ${named.name}`);
    };
    for (const declaration of symbol.declarations ?? []) visit(declaration);
  }
  return [...found].sort();
}

function nameOfType(node) {
  if (ts.isTypeReferenceNode(node)) return node.typeName;
  if (ts.isExpressionWithTypeArguments(node)) return node.expression;
  if (ts.isTypeQueryNode(node)) return node.exprName;
  if (ts.isImportTypeNode(node)) return node.qualifier;
  return undefined;
}
