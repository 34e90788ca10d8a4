#pragma once

#include "eval/scorer.h"

namespace tacit {

// Whether the written chain proves the right answer: every step is a statement of the question, or follows from one by
// one rule, about something that is known already; the chain starts at the question's root and ends with what the
// reference answer says. Extracted where a chain was written at all (before the last "###", or in the thoughts where
// those are words); the answer is that chain. Beside it stands a scorer for the answer itself.
//
// ProsQA and ProntoQA in English: statements are read from the question. Symbols (reach; ProsQA as symbols):
// meta.graph, meta.labels and meta.root, the chain being nodes, or levels of nodes between ';' each with an edge from
// the level before.
Scorer proof();

}  // namespace tacit
