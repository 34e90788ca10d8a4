#include "latent/methods/tree.h"

#include <algorithm>

#include "latent/methods/methods.h"
#include "latent/unroll.h"
#include "lib/core/error.h"
#include "lib/memory/masked_memory.h"

namespace tacit {
namespace {

// Question, [A], answer: the answer alone is trained, so that the accuracy is the answers'.
TrainingRow answer_row(const Example& example, const ObjectiveContext& context) {
  TrainingRow row{.prompt = context.tokenizer.encode(example.question)};
  append(row, marker_ids(context.settings.markers.answer, context), false);
  append(row, example.answer, true, context);
  return row;
}

void check_tree_model(const ModelConfig& model) { require_maskable(model, "tree"); }

LatentLoss tree_loss(const LossContext& c) {
  check_tree_model(c.model.config());
  TokenRows words;
  for (const TrainingRow& row : c.rows) {
    require(row.rest.size() == 2, "tree", "expected an answer marker and an answer of one token each but got ",
            row.rest.size(), " tokens");
    words.push_back(row.prompt);
  }
  at::Tensor seen_B1TT = own_list_mask(parents_in(words, brackets_of(c.context.tokenizer)));
  const int64_t B = seen_B1TT.size(0), T = seen_B1TT.size(2);
  if (!c.context.settings.options.at("tree").get<bool>()) seen_B1TT = at::ones_like(seen_B1TT).tril();
  std::vector<int64_t> ids(B * T, 0), last, label;
  for (int64_t b = 0; b < B; ++b) {
    const TrainingRow& row = c.rows[b];
    std::ranges::copy(row.prompt, ids.begin() + b * T);
    last.push_back(b * T + std::ssize(row.prompt));
    ids[last.back()] = row.rest[0];
    label.push_back(row.rest[1]);
  }
  const auto on_device = [&](const std::vector<int64_t>& x) { return at::tensor(x, at::kLong).to(c.model.device()); };
  MaskedMemory memory(seen_B1TT.to(c.model.device()));
  const at::Tensor id_BT = on_device(ids).view({B, T}), position_BT = at::arange(T, id_BT.options()).expand({B, T});
  const at::Tensor hidden_BTD = c.model.forward(c.model.embed(id_BT), position_BT, memory);
  const at::Tensor answer_BD = c.model.final_norm(hidden_BTD.flatten(0, 1).index_select(0, on_device(last)));
  const at::Tensor logits_BV = c.model.logits(answer_BD).to(at::kFloat), label_B = on_device(label);
  const TokenLoss answers{at::cross_entropy_loss(logits_BV, label_B),
                          (logits_BV.argmax(-1) == label_B).to(at::kFloat).mean().item<double>(), B};
  return latent_loss_of(answers, c.rows);
}

// The last token of a prompt is the answer marker.
TokenMask mask_of(const Tokenizer& tokenizer) {
  return [brackets = brackets_of(tokenizer)](TokenRows rows) {
    for (auto& row : rows) row.pop_back();
    return own_list_mask(parents_in(rows, brackets));
  };
}

Procedure tree_procedure(const MethodContext& context) {
  Procedure out = plain_procedure(context);
  out.prompt_suffix = std::move(out.answer_marker);
  out.answer_marker.clear();
  out.stop_tokens = {};
  out.max_answer_tokens = 1;
  if (!context.option("tree").get<bool>()) return out;
  require(context.tokenizer && !out.prompt_suffix.empty(), "tree",
          "expected a tokenizer and an answer marker: the mask is made from the words before it");
  out.mask = mask_of(*context.tokenizer);
  return out;
}

}  // namespace

Brackets brackets_of(const Tokenizer& tokenizer) {
  Brackets out;
  for (int64_t id = 0; id < tokenizer.vocab_size(); ++id) {
    const std::string word = tokenizer.token(id);
    out.opens.push_back(word.starts_with('[') && !word.ends_with(']'));
  }
  out.closer = tokenizer.id_of("]").value_or(-1);
  return out;
}

std::vector<std::vector<int64_t>> parents_in(const TokenRows& rows, const Brackets& brackets) {
  std::vector<std::vector<int64_t>> out;
  for (size_t r = 0; r < rows.size(); ++r) {
    std::vector<int64_t>& parent = out.emplace_back();
    std::vector<int64_t> open;  // openers of the lists around the word
    for (int64_t i = 0; i < std::ssize(rows[r]); ++i) {
      const int64_t id = rows[r][i];
      const bool opens = id < std::ssize(brackets.opens) && brackets.opens[id];
      require(i == 0 ? opens : !open.empty(), "tree", "expected one list, such as '[MAX 2 [MIN 4 7 ] ]', in row ", r,
              " but word ", i, " stands outside of it");
      parent.push_back(open.empty() ? -1 : open.back());
      if (opens) open.push_back(i);
      if (id == brackets.closer) open.pop_back();
    }
    require(!parent.empty(), "tree", "expected a list in row ", r, " but got no words");
    require(open.empty(), "tree", "expected every list to be closed by ']' in row ", r, " but ", open.size(),
            " are not");
  }
  return out;
}

at::Tensor own_list_mask(const std::vector<std::vector<int64_t>>& parents) {
  const int64_t B = std::ssize(parents);
  int64_t T = 0;
  for (const auto& row : parents) T = std::max<int64_t>(T, std::ssize(row) + 1);
  at::Tensor seen_B1TT = at::zeros({B, 1, T, T}, at::kBool);
  for (int64_t b = 0; b < B; ++b) {
    const std::vector<int64_t>& parent = parents[b];
    const int64_t words = std::ssize(parent);
    // By word: the opener of its own list, and of the list in which it stands for its own.
    std::vector<int64_t> own(parent), outer(words, -1), closer(words, -1);
    for (int64_t i = 0; i < words; ++i) {
      require(parent[i] >= -1 && parent[i] < i, "own_list_mask", "expected the opener before its words but word ", i,
              " has ", parent[i]);
      if (parent[i] >= 0) own[parent[i]] = parent[i], closer[parent[i]] = i;
    }
    for (int64_t i = 0; i < words; ++i) {
      if (closer[i] >= 0) outer[closer[i]] = parent[i];
    }
    own.push_back(0);
    outer.push_back(-1);
    bool* seen = seen_B1TT.mutable_data_ptr<bool>() + b * T * T;
    for (int64_t i = 0; i < T; ++i) {
      seen[i * T + i] = true;
      for (int64_t j = 0; i <= words && j < i; ++j) seen[i * T + j] = own[j] == own[i] || outer[j] == own[i];
    }
  }
  return seen_B1TT;
}

// Answers read through a mask that follows the nesting of the text, beside the same model that sees everything: a tree
// of attention, as in tree-structured transformers [Tree Transformer, arXiv:1909.06639] but with the tree given. The
// answer is one token.
Method tree_method() {
  Method m;
  m.name = "tree";
  m.summary = "attention within a word's own list of a nested text";
  m.reference = "arXiv:1909.06639";
  m.options = {{"tree", true}};
  m.check_model = check_tree_model;
  m.procedure = tree_procedure;
  m.row = answer_row;
  m.loss = tree_loss;
  m.model = [](Json usual, const Json&) {
    usual["smeared_keys"] = false;  // a key's left neighbour may be hidden
    return usual;
  };
  m.stages = [](int64_t) { return 1; };
  return m;
}

}  // namespace tacit
