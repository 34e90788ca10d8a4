#include "decoding/thought_search.h"

#include <ATen/core/grad_mode.h>
#include <algorithm>
#include <cmath>
#include <optional>

#include "decoding/sampling.h"
#include "decoding/vote.h"
#include "latent/token_mixture.h"
#include "lib/core/error.h"

namespace tacit {
namespace {

constexpr uint32_t kBranchDraws = 0x7472'6565;  // "tree": apart from what feedbacks draw of the same seed

struct Branch {
  int64_t node = 0;
  bool halted = false;
  RowNotes notes;
  std::vector<at::Tensor> trace;
  std::vector<int64_t> tokens;
  std::optional<double> value;
  std::optional<Decoded> answer;
};

class Search {
 public:
  Search(const std::shared_ptr<const Transformer>& model, const Procedure& procedure,
         const ThoughtSearchOptions& options, const ThoughtValue& value, const AnswerComplete& complete,
         int64_t max_answer_tokens, uint64_t seed, int64_t id, int64_t prompt_tokens, int64_t recurrences)
      : model_(*model),
        procedure_(procedure),
        options_(options),
        value_(value),
        complete_(complete),
        max_answer_tokens_(max_answer_tokens),
        seed_(seed),
        id_(id),
        tree_(model, {.capacity = capacity(prompt_tokens), .recurrences = recurrences}) {}

  FoundThoughts run(const std::vector<int64_t>& prompt) {
    std::vector<Branch> kept(1);
    kept[0].node = tree_.feed_chain(prompt);
    for (int64_t step = 0; step < procedure_.think.max_steps; ++step) {
      if (std::ranges::all_of(kept, [](const Branch& b) { return b.halted; })) break;
      kept = expand(kept, step);
      keep_best(kept, options_.width);
    }
    keep_best(kept, 1);
    return found(kept[0]);
  }

 private:
  // Of the prompt, all children of all steps, and an answer behind each of them.
  int64_t capacity(int64_t prompt_tokens) const {
    const int64_t answer = std::ssize(procedure_.answer_marker) + std::max<int64_t>(max_answer_tokens_ - 1, 0);
    return prompt_tokens + options_.width * options_.branch * procedure_.think.max_steps * (1 + answer) + answer;
  }

  // The children of all that still think; those that do not stay.
  std::vector<Branch> expand(std::vector<Branch>& kept, int64_t step) {
    std::vector<Branch*> open;
    for (Branch& branch : kept) {
      if (!branch.halted) open.push_back(&branch);
    }
    std::vector<int64_t> nodes;
    StepRows rows;
    for (Branch* branch : open) {
      nodes.push_back(branch->node);
      rows.notes.push_back(&branch->notes);
      rows.lengths.push_back(tree_.depths()[branch->node] + 1);
      rows.ids.push_back(sample_id(id_, std::ssize(rows.ids)));
    }
    rows.hidden_BD = tree_.hidden_ND(nodes, HiddenAt::before_norm);
    const StepState state(model_, std::move(rows), step);
    const auto [proposal, stop] = next_step(state, procedure_.think.feedback, procedure_.think.halt);
    std::vector<Branch> out, children;
    for (Branch& branch : kept) {
      if (branch.halted) out.push_back(branch);
    }
    std::vector<int64_t> parents;
    std::vector<at::Tensor> inputs;
    for (int64_t b = 0; b < std::ssize(open); ++b) {
      if (stop[b]) {
        out.push_back(*open[b]);
        out.back().halted = true;
        continue;
      }
      require_all_or_none(procedure_.think.feedback, std::ssize(open[b]->tokens), std::ssize(open[b]->trace), proposal);
      for (const at::Tensor& input_D : inputs_of(proposal.input_BD[b], state, b, step)) {
        Branch child{.notes = open[b]->notes, .trace = open[b]->trace, .tokens = open[b]->tokens};
        child.trace.push_back(input_D);
        ++child.notes.thoughts;
        if (!proposal.tokens.empty()) child.tokens.push_back(proposal.tokens[b]);
        children.push_back(std::move(child));
        parents.push_back(open[b]->node);
        inputs.push_back(input_D);
      }
    }
    if (children.empty()) return out;
    int64_t node = tree_.feed_vectors(at::stack(inputs), parents);
    for (Branch& child : children) {
      child.node = node++;
      out.push_back(std::move(child));
    }
    work_.thoughts += std::ssize(children);
    return out;
  }

  std::vector<at::Tensor> inputs_of(const at::Tensor& own_D, const StepState& state, int64_t row, int64_t step) {
    std::vector<at::Tensor> out = {own_D};
    if (options_.branch == 1) return out;
    if (options_.expand == ThoughtSearchOptions::Expand::tokens) {
      const at::Tensor best = std::get<1>(state.logits_BV()[row].topk(options_.branch - 1));
      const at::Tensor embedded_ND = model_.embed(best);
      for (int64_t j = 0; j < options_.branch - 1; ++j) out.push_back(embedded_ND[j].to(own_D.scalar_type()));
      ++work_.readings;
      return out;
    }
    const at::Tensor wide_D = own_D.to(at::kFloat);
    const double deviation = options_.noise * wide_D.square().mean().sqrt().item<double>();
    for (int64_t j = 1; j < options_.branch; ++j) {
      Rng rng = thought_rng(seed_, sample_id(id_, row * options_.branch + j), step, kBranchDraws);
      at::Tensor noise_D = at::empty({own_D.numel()}, at::kFloat);
      for (int64_t d = 0; d < noise_D.numel(); ++d)
        noise_D.mutable_data_ptr<float>()[d] = static_cast<float>(deviation * rng.normal());
      out.push_back((wide_D + noise_D.to(wide_D.device())).to(own_D.scalar_type()));
    }
    return out;
  }

  void keep_best(std::vector<Branch>& branches, int64_t count) {
    if (std::ssize(branches) <= count) return;
    valued(branches);
    std::ranges::stable_sort(branches, [](const Branch& a, const Branch& b) { return *a.value > *b.value; });
    branches.resize(count);
  }

  void valued(std::vector<Branch>& branches) {
    std::vector<Branch*> open;
    std::vector<int64_t> nodes;
    for (Branch& branch : branches) {
      if (branch.value) continue;
      open.push_back(&branch);
      nodes.push_back(branch.node);
    }
    if (open.empty()) return;
    std::vector<double> values;
    if (value_) {
      values = value_(tree_, nodes);
      require(values.size() == nodes.size(), "search_thoughts", "expected a value for each of ", nodes.size(),
              " thoughts but got ", values.size());
    } else if (options_.value == ThoughtSearchOptions::Value::entropy) {
      for (const double entropy : token_entropies(tree_.logits_NV(nodes))) values.push_back(-entropy);
      work_.readings += std::ssize(nodes);
    } else {
      answer(open);
      for (const Branch* branch : open) values.push_back(likelihood(branch->answer->log_probs, Likelihood::mean));
    }
    for (size_t i = 0; i < open.size(); ++i) {
      require(!std::isnan(values[i]), "search_thoughts", "expected values that are numbers but got NaN");
      open[i]->value = values[i];
    }
  }

  // Answers greedily behind each of these, on branches of their own.
  void answer(const std::vector<Branch*>& branches) {
    std::vector<int64_t> leaves;
    for (Branch* branch : branches) {
      leaves.push_back(branch->node);
      branch->answer = Decoded{};
    }
    std::vector<char> open(branches.size(), max_answer_tokens_ > 0);
    const auto feed = [&](const std::vector<int64_t>& tokens) {
      std::vector<int64_t> parents, fed;
      for (size_t b = 0; b < branches.size(); ++b) {
        if (open[b]) parents.push_back(leaves[b]), fed.push_back(tokens[b]);
      }
      if (fed.empty()) return;
      int64_t node = tree_.feed(fed, parents);
      for (size_t b = 0; b < branches.size(); ++b) {
        if (open[b]) leaves[b] = node++;
      }
    };
    for (const int64_t token : procedure_.answer_marker) feed(std::vector<int64_t>(branches.size(), token));
    for (int64_t step = 0; step < max_answer_tokens_; ++step) {
      const auto choices = choose_tokens(tree_.logits_NV(leaves), {.temperature = 0}, {}, "decode");
      std::vector<int64_t> next;
      for (size_t b = 0; b < branches.size(); ++b) {
        next.push_back(choices[b].token);
        if (!open[b]) continue;
        Decoded& answer = *branches[b]->answer;
        answer.log_probs.push_back(choices[b].log_prob);
        ++work_.readings;
        answer.stopped = procedure_.stop_tokens.contains(choices[b].token);
        if (!answer.stopped) answer.tokens.push_back(choices[b].token), ++work_.tokens;
        open[b] = !answer.stopped && !(complete_ && complete_(answer.tokens));
      }
      if (step + 1 < max_answer_tokens_) feed(next);
      if (std::ranges::none_of(open, [](char o) { return o != 0; })) break;
    }
  }

  FoundThoughts found(Branch& best) {
    if (!best.answer) answer({&best});
    FoundThoughts out;
    const int64_t steps = std::ssize(best.trace);
    out.thoughts = {{steps}, {best.tokens}, {static_cast<char>(best.halted)}, {}};
    const at::TensorOptions like = at::TensorOptions().dtype(model_.dtype()).device(model_.device());
    out.thoughts.trace_BKD = steps == 0 ? at::zeros({1, 0, model_.config().hidden_size}, like)
                                        : at::stack(best.trace).unsqueeze(0).to(model_.dtype());
    out.answer = std::move(*best.answer);
    out.value = best.value.value_or(0);
    for (const int64_t depth : tree_.depths()) ++work_.fed[depth];
    out.work = std::move(work_);
    return out;
  }

  const Transformer& model_;
  const Procedure& procedure_;
  const ThoughtSearchOptions& options_;
  const ThoughtValue& value_;
  const AnswerComplete& complete_;
  int64_t max_answer_tokens_;
  uint64_t seed_;
  int64_t id_;
  ThoughtTree tree_;
  WorkDone work_;
};

}  // namespace

FoundThoughts search_thoughts(const std::shared_ptr<const Transformer>& model, const Procedure& procedure,
                              const std::vector<int64_t>& prompt, const ThoughtSearchOptions& options,
                              int64_t max_answer_tokens, int64_t recurrences, uint64_t seed, int64_t id,
                              const ThoughtValue& value, const AnswerComplete& complete) {
  const at::NoGradGuard no_grad;
  require(options.width >= 1 && options.branch >= 1 && options.width * options.branch <= kMostSamples,
          "search_thoughts", "expected width and branch of at least 1 and at most ", kMostSamples, " in all but got ",
          options.width, " and ", options.branch);
  require(options.noise >= 0 && std::isfinite(options.noise), "search_thoughts",
          "expected noise of at least 0 but got ", options.noise);
  require(!procedure.in_words && !procedure.parallel && !leaves_early(model->config(), procedure.exit),
          "search_thoughts", "expected a method that takes one vector after the other but got '", procedure.method,
          "'");
  require(!prompt.empty(), "search_thoughts", "expected a prompt of at least one token");
  require(options.expand != ThoughtSearchOptions::Expand::tokens || options.branch <= model->config().vocab_size,
          "search_thoughts", "expected no more branches than tokens but got ", options.branch);
  return Search(model, procedure, options, value, complete, max_answer_tokens, seed, id, std::ssize(prompt),
                recurrences)
      .run(prompt);
}

}  // namespace tacit
