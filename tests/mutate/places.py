"""places.py - the places of a C file where one small change makes another program, found in clang's syntax tree.

Comments, strings and the expansion of macros with arguments are left alone; a constant macro (VH_MAX_VMS) is one token.
Lines of VH_ASSERT and MUST do not count: they say what cannot be. A change takes the place of a range of bytes, and the
lines keep their numbers.

  NEG    negates the condition of if, ?:, while, do; a returned bool expression; one operand of && or ||
  DROP   leaves the left or the right operand of && or || out
  BOUND  < <=, > >= exchanged; x + 1 and x - 1 become x
  REL    == and != exchanged (outside of what NEG already does)
  RET    return true / false exchanged
  DEL    an assignment, call, ++ or -- that is a statement is left out
  SWAP   the constants of two neighbouring cases of a switch exchanged
  CONST  a number or character one up or down, a constant macro one up or down, true / false exchanged, an enum constant
         by its neighbour in the enum
  STR    a string literal with one character more at its end
"""
import json
import re
import subprocess
import sys

sys.setrecursionlimit(100000)
FORBIDDEN = ("VH_ASSERT", "MUST")


class File:
    """One source file. `clang` is the compiler with its flags, as a list; `path` is as the compiler is to be told."""

    def __init__(self, clang, path):
        self.path = path
        self.full = path
        with open(path, encoding="latin-1") as f:
            self.text = f.read()
        out = subprocess.run(clang + ["-w", "-fsyntax-only", "-Xclang", "-ast-dump=json", path],
                             stdout=subprocess.PIPE, check=True).stdout
        self.ast = json.loads(out)
        self.cur = None
        self.mark(self.ast)
        self.enums, self.enum_of = [], {}
        self.find_enums(self.ast)
        self.shut = self.forbidden_lines()
        self.found = {}

    # ---- places ----

    def mark(self, x):
        """clang names a file only when it changes: in order of the text, each location gets its own."""
        if isinstance(x, dict):
            if "offset" in x and "tokLen" in x:
                if "file" in x:
                    self.cur = x["file"]
                x["_file"] = self.cur
                return
            for k, v in x.items():
                if k != "includedFrom" and isinstance(v, (dict, list)):
                    self.mark(v)
        elif isinstance(x, list):
            for v in x:
                if isinstance(v, (dict, list)):
                    self.mark(v)

    def find_enums(self, x):
        if isinstance(x, dict):
            if x.get("kind") == "EnumDecl":
                names = [i["name"] for i in x.get("inner", []) if i.get("kind") == "EnumConstantDecl"]
                for n in names:
                    self.enum_of[n] = names
            for v in x.get("inner", []):
                if x.get("kind") in ("TranslationUnitDecl", "EnumDecl", "RecordDecl", "FunctionDecl", "CompoundStmt", "DeclStmt"):
                    self.find_enums(v)

    def forbidden_lines(self):
        shut = set()
        for m in re.finditer(r"\b(VH_ASSERT|MUST)\b", self.text):
            a = self.text.count("\n", 0, m.start())
            p = m.end()
            b = self.text.count("\n", 0, self.paren(p) if self.text[p:p + 1] == "(" else p)
            shut.update(range(a, b + 1))
            if self.text[self.text.rfind("\n", 0, m.start()) + 1:].startswith("#define"):
                k = a
                while self.text.split("\n")[k].endswith("\\"):
                    k += 1
                    shut.add(k)
        return shut

    def paren(self, p):
        """Behind the parenthesis that closes the one at p (strings and characters skipped)."""
        depth = 0
        for m in re.compile(r'"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])*\'|/\*.*?\*/|[()]', re.S).finditer(self.text, p):
            if m.group() == "(":
                depth += 1
            elif m.group() == ")":
                depth -= 1
                if depth == 0:
                    return m.end()
        return p

    def one(self, loc, end):
        """Offset of a location, or None; whether it is a macro's."""
        macro = "expansionLoc" in loc
        d = loc.get("expansionLoc", loc)
        if "offset" not in d or d["_file"] != self.full:
            return None, macro
        o = d["offset"]
        if not end:
            return o, macro
        e = o + d["tokLen"]
        if macro:
            m = re.compile(r"\s*\(").match(self.text, e)
            if m:
                e = self.paren(m.end() - 1)
        return e, macro

    def span(self, n):
        r = n.get("range", {})
        a, ma = self.one(r.get("begin", {}), False)
        b, mb = self.one(r.get("end", {}), True)
        if a is None or b is None or b <= a:
            return None
        if ma and mb and r["begin"]["expansionLoc"]["offset"] == r["end"]["expansionLoc"]["offset"]:
            # wholly in one expansion: good only if it is a constant macro
            if not re.fullmatch(r"[A-Za-z_]\w*", self.text[a:b]) or self.text[a:b] in FORBIDDEN:
                return None
        return a, b

    # ---- mutants ----

    def add(self, op, a, b, new, what):
        old = self.text[a:b]
        la, lb = self.text.count("\n", 0, a), self.text.count("\n", 0, b)
        if any(k in self.shut for k in range(la, lb + 1)) or old == new or old.count("\n") < new.count("\n"):
            return
        new += "\n" * (old.count("\n") - new.count("\n")) # lines keep their numbers
        key = (a, b, re.sub(r"[\s()]", "", new))
        if key not in self.found:
            self.found[key] = {"file": self.path, "op": op, "a": a, "b": b, "old": old, "new": new, "line": la + 1, "what": what}

    def strip(self, n):
        while n.get("kind") in ("ImplicitCastExpr", "ConstantExpr", "ParenExpr") and n.get("inner"):
            n = n["inner"][0]
        return n

    def neg(self, n, where):
        s = self.span(n)
        if s:
            t = self.text[s[0]:s[1]]
            inner = self.strip(n)
            if inner.get("kind") == "UnaryOperator" and inner.get("opcode") == "!" and t.startswith("!"):
                self.add("NEG", *s, t[1:].lstrip(), where)
            else:
                self.add("NEG", *s, f"!({t})", where)

    def between(self, l, r, op):
        sl, sr = self.span(l), self.span(r)
        if not sl or not sr:
            return None
        gap = self.text[sl[1]:sr[0]]
        gap = re.sub(r"/\*.*?\*/", lambda m: " " * len(m.group()), gap, flags=re.S)
        i = gap.find(op)
        return None if i < 0 else (sl[1] + i, sl[1] + i + len(op))

    def statement(self, n):
        """A statement that may be left out?"""
        k = n.get("kind")
        m = n
        if k == "CStyleCastExpr" and n.get("castKind") == "ToVoid" and n.get("inner"):
            m = n["inner"][0]
            while m.get("kind") in ("ImplicitCastExpr", "ParenExpr"):
                m = m["inner"][0]
            if m.get("kind") != "CallExpr":
                return
            k = "CallExpr"
        if k in ("CallExpr", "CompoundAssignOperator") or (k == "BinaryOperator" and n.get("opcode") == "=") or \
                (k == "UnaryOperator" and n.get("opcode") in ("++", "--")):
            s = self.span(n)
            if s and self.text[s[0]:s[1]].split("(")[0] not in FORBIDDEN:
                self.add("DEL", *s, "", "statement left out")

    def cases(self, n, out, nested):
        if n.get("kind") == "CaseStmt":
            out.append((n, nested))
            for i in n.get("inner", [])[1:]:
                self.cases(i, out, True)
        elif n.get("kind") == "SwitchStmt":
            return
        else:
            for i in n.get("inner", []):
                if isinstance(i, dict):
                    self.cases(i, out, False)

    def visit(self, n, parent, in_case=False):
        k, inner = n.get("kind"), [i for i in n.get("inner", []) if isinstance(i, dict)]
        if k == "IfStmt":
            self.neg(inner[0], "if")
        elif k == "ConditionalOperator":
            self.neg(inner[0], "?:")
        elif k == "WhileStmt":
            self.neg(inner[0], "while")
        elif k == "DoStmt":
            self.neg(inner[-1], "do while")
        elif k == "ReturnStmt" and inner:
            e = self.strip(inner[0])
            s = self.span(inner[0])
            t = self.text[s[0]:s[1]] if s else ""
            if t in ("true", "false"):
                self.add("RET", *s, "false" if t == "true" else "true", "return")
            elif e.get("kind") in ("BinaryOperator", "UnaryOperator", "CallExpr") and \
                    (e.get("opcode") in ("&&", "||", "!", "==", "!=", "<", ">", "<=", ">=") or
                     e.get("type", {}).get("qualType") in ("bool", "_Bool")):
                self.neg(inner[0], "return")
        elif k == "BinaryOperator" and n["opcode"] in ("&&", "||"):
            s, l, r = self.span(n), self.span(inner[0]), self.span(inner[1])
            if s and l and r:
                # of a chain a && b && c each operand is left out once: the right one, and the leftmost
                self.add("DROP", *s, "(" + self.text[l[0]:l[1]] + ")", f"{n['opcode']}: right operand left out")
                if self.strip(inner[0]).get("opcode") != n["opcode"]:
                    self.add("DROP", *s, "(" + self.text[r[0]:r[1]] + ")", f"{n['opcode']}: left operand left out")
            for i in inner:
                if self.strip(i).get("opcode") not in ("&&", "||"):
                    self.neg(i, f"operand of {n['opcode']}")
        elif k == "BinaryOperator" and n["opcode"] in ("<", "<=", ">", ">=", "==", "!="):
            op = n["opcode"]
            p = self.between(inner[0], inner[1], op)
            new = {"<": "<=", "<=": "<", ">": ">=", ">=": ">", "==": "!=", "!=": "=="}[op]
            if p:
                pk = parent.get("kind")
                # the same as NEG of its parent
                if op not in ("==", "!=") or not (pk in ("IfStmt", "ConditionalOperator", "WhileStmt", "DoStmt", "ReturnStmt") or
                                                  parent.get("opcode") in ("&&", "||")):
                    self.add("BOUND" if op not in ("==", "!=") else "REL", *p, new, f"{op} to {new}")
        elif k == "BinaryOperator" and n["opcode"] in ("+", "-"):
            r = self.strip(inner[1])
            s, l, rs = self.span(n), self.span(inner[0]), self.span(inner[1])
            if s and l and rs and r.get("kind") == "IntegerLiteral" and self.text[rs[0]:rs[1]] in ("1", "1u"):
                self.add("BOUND", *s, "(" + self.text[l[0]:l[1]] + ")", f"{n['opcode']} 1 left out")
        elif k == "SwitchStmt":
            out = []
            self.cases(inner[-1], out, False)
            for (x, _), (y, nested) in zip(out, out[1:]):
                sx, sy = self.span(x["inner"][0]), self.span(y["inner"][0])
                if nested or not sx or not sy:
                    continue
                tx, ty = self.text[sx[0]:sx[1]], self.text[sy[0]:sy[1]]
                self.add("SWAP", sx[0], sy[1], ty + self.text[sx[1]:sy[0]] + tx, f"case {tx} and {ty} exchanged")
        elif k == "IntegerLiteral":
            s = self.span(n)
            if s:
                t = self.text[s[0]:s[1]]
                if t in ("true", "false"):
                    if parent.get("kind") != "ReturnStmt":
                        self.add("CONST", *s, "false" if t == "true" else "true", "bool")
                elif re.fullmatch(r"(0[xX][0-9a-fA-F]+|\d+)[uUlL]*", t):
                    v = int(n["value"])
                    self.add("CONST", *s, "1" if v == 0 else f"({t} + 1)", "number")
                    if v > 1:
                        self.add("CONST", *s, f"({t} - 1)", "number")
                    elif v == 1:
                        self.add("CONST", *s, "0", "number")
                elif re.fullmatch(r"[A-Z][A-Z0-9_]+", t) and t not in ("NULL",) + FORBIDDEN:
                    self.add("CONST", *s, f"({t} + 1)", "macro")
                    self.add("CONST", *s, f"({t} - 1)", "macro")
        elif k == "CharacterLiteral":
            s = self.span(n)
            if s and self.text[s[0]] == "'":
                self.add("CONST", *s, f"({self.text[s[0]:s[1]]} + 1)", "character")
        elif k == "DeclRefExpr" and n.get("referencedDecl", {}).get("kind") == "EnumConstantDecl" and not in_case:
            s = self.span(n)
            t = n["referencedDecl"]["name"]
            names = self.enum_of.get(t, [])
            if s and self.text[s[0]:s[1]] == t and len(names) > 1:
                i = names.index(t)
                for j in (i - 1, i + 1):
                    if 0 <= j < len(names):
                        self.add("CONST", *s, names[j], "enum constant")
        elif k == "StringLiteral":
            s = self.span(n)
            if s and re.fullmatch(r'"(?:\\.|[^"\\])+"', self.text[s[0]:s[1]]):
                self.add("STR", *s, self.text[s[0]:s[1] - 1] + 'X"', "string")
        # statements that may go
        body = []
        if k == "CompoundStmt":
            body = inner
        elif k == "IfStmt":
            body = inner[1:]
        elif k in ("ForStmt", "WhileStmt", "CaseStmt", "DefaultStmt"):
            body = inner[-1:]
        for i in body:
            self.statement(i)
        for x, i in enumerate(inner):
            self.visit(i, n if k not in ("ImplicitCastExpr", "ParenExpr", "ConstantExpr") else parent,
                       in_case or (k == "CaseStmt" and x == 0))

    def mutants(self):
        for d in self.ast["inner"]:
            if d.get("kind") in ("FunctionDecl", "VarDecl"):
                loc = d.get("loc", {})
                loc = loc.get("expansionLoc", loc)
                if loc.get("_file") == self.full:
                    self.visit(d, {})
        return [self.found[k] for k in sorted(self.found)]
