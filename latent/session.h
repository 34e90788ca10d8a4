#pragma once

#include <ATen/ATen.h>

#include <concepts>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "latent/parallel.h"
#include "latent/thinking.h"
#include "lib/memory/inference_memory.h"
#include "lib/model/transformer.h"

namespace tacit {

using TokenRows = std::vector<std::vector<int64_t>>;  // one list of token ids a row

// Who sees whom in these rows.  -> bool [B, 1, T, T], T the most tokens: query t sees key s. Every query must see
// something, behind the end of its row too.
using TokenMask = std::function<at::Tensor(const TokenRows&)>;

// Fails where a mask cannot be kept to: states, windows, keys that are smeared or hold the values, grids.
void require_maskable(const ModelConfig& config, std::string_view operation);

struct SessionOptions {
  int64_t rows = 1;        // sequences in the batch
  int64_t capacity = 512;  // tokens and thoughts a row can hold; at most the model's max_positions
  // Times that a recurrent-depth model runs its shared blocks at every position: how long it thinks in depth. 0 = the
  // config's own number; another number is an error for a model without recurrent depth.
  int64_t recurrences = 0;
  // Whether steps of one position run on the model's packed form where it has one (lib/model/fused_model.h): the same
  // answers, sums in another order, at the speed of the memory, which a packed copy of the weights costs. False: the
  // plain path, which defines the answer.
  bool fused = true;
  // Whether the residual stream behind every block is recorded, for rules that look at it (StepState::layer_BD). Takes
  // the plain path.
  bool keep_layers = false;
  // When a position of a model that thinks in depth may leave before the last recurrence. Takes the plain path.
  DepthExit exit = {};
  // Set: prompts are read at once through it, by the plain path, and nothing can follow. Full attention only.
  TokenMask mask = {};
};

// One running batch over a model: what its rows have stored, where each stands, its last hidden state. No gradients are
// recorded. A row's result does not depend on the rows beside it but for rounding: prompts read together sum in another
// order than alone. Not safe to share between threads; the model is.
class Session {
 public:
  Session(std::shared_ptr<const Transformer> model, const SessionOptions& options = {});
  Session(Session&&) = default;
  Session& operator=(Session&&) = default;
  Session(const Session&) = delete;  // fork() copies rows
  Session& operator=(const Session&) = delete;

  // Feeds one prompt a row, of any lengths >= 1, to a session that has consumed nothing.
  void prefill(const TokenRows& prompts);
  // Feeds more tokens: the same to every row, or a list for each (an empty list leaves its row as it is).
  void feed(std::span<const int64_t> tokens);
  template <std::integral Token>  // of one type; so that {{5}, {6}} is a list for each, and not two tokens
  void feed(std::initializer_list<Token> tokens) {
    feed(std::span<const int64_t>(std::vector<int64_t>(tokens.begin(), tokens.end())));
  }
  void feed(const TokenRows& tokens);
  void feed(std::initializer_list<std::initializer_list<int64_t>> tokens) {
    feed(TokenRows(tokens.begin(), tokens.end()));
  }
  // Feeds vectors in place of embeddings: x [B, T, D], row b uses the first counts[b] (empty = all T).
  void feed_vectors(const at::Tensor& x_BTD, std::span<const int64_t> counts = {});

  // Lets rows feed back their own state. Step by step equals all at once. Fails where a rule fails or a row has no room
  // left: what was consumed before that stays so.
  Thoughts think(const ThinkOptions& options);

  // Lets rows think at many positions at once, which follow what they have consumed (latent/parallel.h).
  Thoughts think_in_parallel(const ParallelThinkOptions& options);

  // By row: the number that random draws of rules depend on; 0, 1, .. unless it is given. Rows of forks keep theirs.
  void name_rows(std::span<const int64_t> ids);
  void name_rows(std::initializer_list<int64_t> ids) { name_rows(std::span<const int64_t>(ids.begin(), ids.size())); }
  RowNotes& notes(int64_t row);

  // A session of its own holding copies of these rows (any order, repeats allowed). The word is spelled because it
  // costs.
  Session fork(std::span<const int64_t> rows) const;
  Session fork(std::initializer_list<int64_t> rows) const {
    return fork(std::span<const int64_t>(rows.begin(), rows.size()));
  }

  // Row `row` becomes a copy of row `from_row` of another session over the same model with the same capacity and
  // recurrences, as if it had been fed the same; the other rows stay as they are.
  void adopt(int64_t row, const Session& from, int64_t from_row);

  // Row b forgets all but its first lengths[b] tokens and thoughts, and what rules noted of it, and must be fed before
  // it thinks or answers again. Fails, changing nothing, where the model's memory cannot: a state of fixed size, a
  // window that has moved on, smeared keys.
  void truncate(std::span<const int64_t> lengths);
  void truncate(std::initializer_list<int64_t> lengths) {
    truncate(std::span<const int64_t>(lengths.begin(), lengths.size()));
  }

  // Of the last position of every row.
  at::Tensor hidden_BD(HiddenAt at = HiddenAt::after_norm) const;
  at::Tensor logits_BV() const;
  // Logits at every position of the tokens, for scoring: feeds them as feed() does.  -> [B, T, V] with T the longest
  // row
  at::Tensor feed_for_logits(const TokenRows& tokens);

  // What a feedback or a halting rule is shown of these rows, in this order, after `step` thoughts. What it notes is
  // kept here.
  StepState state(std::span<const int64_t> rows, int64_t step);

  int64_t rows() const { return memory_.shape().rows; }
  int64_t capacity() const { return memory_.shape().capacity; }
  const std::vector<int64_t>& lengths() const { return memory_.lengths(); }  // tokens and thoughts stored, by row
  // By position that the row has consumed, the recurrence after which it left; empty where none leaves early.
  const std::vector<int64_t>& exits(int64_t row) const;
  const Transformer& model() const;
  // Whether a prompt is all that it takes: a mask, or a model that reads in both directions.
  bool reads_at_once() const { return model().config().bidirectional || options_.mask; }
  int64_t memory_bytes() const { return memory_.bytes(); }  // all rows
  int64_t memory_bytes_per_row() const { return memory_.bytes_per_row(); }

 private:
  Session(std::shared_ptr<const Transformer> model, const SessionOptions& options, InferenceMemory memory);

  // Runs one segment; row b uses the first counts[b] of its columns. With a mask nothing is stored but the lengths.
  // -> hidden state before the final norm [B, T, D]; where only the rows' last columns are asked for, perhaps these
  // [B, 1, D]
  enum class Columns { all, last };
  at::Tensor advance(const at::Tensor& x_BTD, std::span<const int64_t> counts, std::string_view operation,
                     Columns columns, const at::Tensor& seen_B1TT = {});
  at::Tensor feed_rows(const TokenRows& tokens, std::string_view operation, Columns columns);
  at::Tensor seen_among(const TokenRows& tokens, int64_t width, std::string_view operation) const;  // of the mask
  void require_may_follow(std::string_view operation) const;                                        // another segment
  void record_exits(const at::Tensor& exit_BT, std::span<const int64_t> counts);
  // Null: the plain path.
  std::shared_ptr<const FusedModel> fused() const { return fused_ ? model_->fused() : nullptr; }
  StepRows where(const at::Tensor& index_B = {}) const;
  Thoughts think_fused(const ThinkOptions& options, const FusedModel& fused);
  void require_model(std::string_view operation) const;  // not moved from
  void require_started(std::string_view operation) const;

  std::shared_ptr<const Transformer> model_;
  SessionOptions options_;
  bool fused_ = false;
  InferenceMemory memory_;
  at::Tensor hidden_BD_;               // before the final norm
  std::vector<at::Tensor> layers_BD_;  // with keep_layers, once something has been fed
  std::vector<int64_t> ids_;
  std::vector<RowNotes> notes_;
  std::vector<std::vector<int64_t>> exits_;
  std::vector<char> current_;  // by row: hidden_BD_ is that of its last position
};

}  // namespace tacit
