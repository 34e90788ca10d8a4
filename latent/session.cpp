#include "latent/session.h"

#include <ATen/core/grad_mode.h>
#include <algorithm>
#include <numeric>

#include "latent/token_ids.h"
#include "lib/core/error.h"
#include "lib/memory/masked_memory.h"
#include "lib/model/memory_layout.h"
#include "lib/model/of_columns.h"

namespace tacit {

void require_maskable(const ModelConfig& config, std::string_view operation) {
  const auto plain = [](const MemoryLayer& layer) {
    return layer.kind == MemoryLayer::Kind::full && !layer.smeared && !layer.values_in_keys;
  };
  require(!config.bidirectional && std::ranges::all_of(memory_layout(config), plain), operation,
          "expected a model that reads from left to right by full attention, whose keys are not smeared, for a mask of "
          "who sees whom but got one of ",
          config.family, " that does not");
}

static InferenceMemoryShape memory_shape(const Transformer* given, const SessionOptions& options) {
  require(given != nullptr, "session", "expected a model but got none");
  const Transformer& model = *given;
  const ModelConfig& c = model.config();
  require(options.rows >= 1, "session", "expected at least 1 row but got ", options.rows);
  require(options.capacity >= 1 && options.capacity <= c.max_positions, "session", "expected a capacity of 1 to ",
          c.max_positions, " (the model's positions) but got ", options.capacity);
  require_recurrences(c, options.recurrences, "session");
  require_exit(c, options.exit, "session");
  if (options.mask) require_maskable(c, "session");
  const MemoryLayout layout = options.mask ? MemoryLayout{} : memory_layout(c, options.recurrences, options.exit);
  return {layout, options.rows, options.capacity, model.dtype(), model.device()};
}

Session::Session(std::shared_ptr<const Transformer> model, const SessionOptions& options)
    : Session(model, options, InferenceMemory(memory_shape(model.get(), options))) {}

Session::Session(std::shared_ptr<const Transformer> model, const SessionOptions& options, InferenceMemory memory)
    : model_(std::move(model)),
      options_(options),
      fused_(options.fused && !options.keep_layers && !options.mask && !leaves_early(model_->config(), options.exit) &&
             FusedModel::fits(memory)),
      memory_(std::move(memory)),
      ids_(rows()),
      notes_(rows()),
      exits_(rows()),
      current_(rows(), 0) {
  require(!options.keep_layers || model_->config().nested.high_cycles == 0, "session",
          "expected a model of one stack of blocks where layers are recorded");
  std::iota(ids_.begin(), ids_.end(), 0);
  hidden_BD_ = at::zeros({rows(), model_->config().hidden_size},
                         at::TensorOptions().dtype(model_->dtype()).device(model_->device()));
}

void Session::require_may_follow(std::string_view operation) const {
  if (!reads_at_once()) return;
  const bool fresh = std::ranges::all_of(lengths(), [](int64_t n) { return n == 0; });
  const std::string who = options_.mask ? "a session with a mask" : "a " + model_->config().family + " model";
  require(fresh, operation, "expected a session that has consumed nothing: ", who,
          " reads its whole input at once, and thinks in depth alone: by its recurrences");
}

at::Tensor Session::advance(const at::Tensor& x_BTD, std::span<const int64_t> counts, std::string_view operation,
                            Columns columns, const at::Tensor& seen_B1TT) {
  const at::NoGradGuard no_grad;
  const int64_t width = x_BTD.size(1);
  require_may_follow(operation);
  if (const auto fused = width == 1 ? this->fused() : nullptr) {
    memory_.require_room(counts, operation);
    const at::Tensor hidden_BD = hidden_BD_.clone(at::MemoryFormat::Contiguous);
    fused->run({.x_BD = x_BTD.select(1, 0), .active_B = counts, .hidden_BD = hidden_BD}, memory_);
    for (size_t b = 0; b < counts.size(); ++b) current_[b] = current_[b] || counts[b] > 0;
    hidden_BD_ = hidden_BD;
    return hidden_BD_.unsqueeze(1);
  }
  const at::Tensor position_BT = memory_.open(counts, width, operation),
                   last = width > 1 ? memory_.last() : at::Tensor();
  std::optional<MaskedMemory> masked;
  if (seen_B1TT.defined()) masked.emplace(seen_B1TT);
  Memory& memory = masked ? static_cast<Memory&>(*masked) : memory_;
  DepthTrace trace{.keep_layers = options_.keep_layers};
  const bool early = leaves_early(model_->config(), options_.exit);
  const bool narrowed = columns == Columns::last && !masked && last.defined();
  const at::Tensor hidden_BTD =
      model_->forward(x_BTD, position_BT, memory, {.recurrences = options_.recurrences, .exit = options_.exit},
                      options_.keep_layers || early ? &trace : nullptr, narrowed ? last : at::Tensor());
  memory_.close();
  if (early) record_exits(trace.exit_BT, counts);
  for (size_t b = 0; b < counts.size(); ++b) current_[b] = current_[b] || counts[b] > 0;
  const bool every_row = std::ranges::all_of(counts, [](int64_t n) { return n > 0; });
  const at::Tensor fed_B1 = every_row ? at::Tensor()
                                      : (at::tensor(at::ArrayRef<int64_t>(counts.data(), counts.size()), at::kLong) > 0)
                                            .unsqueeze(1)
                                            .to(model_->device());
  const auto replace = [&](at::Tensor& old_BD, const at::Tensor& last_B1D) {
    const at::Tensor found_BD = last_B1D.squeeze(1);
    old_BD = old_BD.defined() && fed_B1.defined() ? at::where(fed_B1, found_BD, old_BD) : found_BD;
  };
  replace(hidden_BD_, narrowed ? hidden_BTD : of_columns(hidden_BTD, 1, last));
  layers_BD_.resize(trace.layer_BTD.size());
  for (size_t l = 0; l < layers_BD_.size(); ++l) replace(layers_BD_[l], of_columns(trace.layer_BTD[l], 1, last));
  return hidden_BTD;
}

void Session::record_exits(const at::Tensor& exit_BT, std::span<const int64_t> counts) {
  const at::Tensor host_BT = exit_BT.to(at::kCPU).contiguous();
  const int64_t *exits = host_BT.const_data_ptr<int64_t>(), width = host_BT.size(1);
  for (size_t b = 0; b < counts.size(); ++b)
    exits_[b].insert(exits_[b].end(), exits + b * width, exits + b * width + counts[b]);
}

at::Tensor Session::seen_among(const TokenRows& tokens, int64_t width, std::string_view operation) const {
  if (!options_.mask) return {};
  require_may_follow(operation);
  require(std::ranges::none_of(tokens, [](const auto& row) { return row.empty(); }), operation,
          "expected tokens for every row: a session with a mask reads its whole input at once");
  const at::Tensor seen_B1TT = options_.mask(tokens);
  require(seen_B1TT.scalar_type() == at::kBool && seen_B1TT.sizes() == at::IntArrayRef({rows(), 1, width, width}),
          operation, "expected a mask of bool [", rows(), ", 1, ", width, ", ", width, "] but got ",
          seen_B1TT.scalar_type(), " ", shape_text(seen_B1TT.sizes()));
  return seen_B1TT.to(model_->device());
}

at::Tensor Session::feed_rows(const TokenRows& tokens, std::string_view operation, Columns columns) {
  require_model(operation);
  require(static_cast<int64_t>(tokens.size()) == rows(), operation, "expected one list of tokens for each of ", rows(),
          " rows but got ", tokens.size());
  std::vector<int64_t> counts;
  for (const auto& row : tokens) counts.push_back(static_cast<int64_t>(row.size()));
  const int64_t width = *std::max_element(counts.begin(), counts.end());
  if (width == 0) return {};
  std::vector<int64_t> ids(tokens.size() * width, 0);
  for (size_t b = 0; b < tokens.size(); ++b) {
    require_token_ids(model_->config(), tokens[b], static_cast<int64_t>(b), operation);
    std::ranges::copy(tokens[b], ids.begin() + b * width);
  }
  const at::NoGradGuard no_grad;
  const at::Tensor ids_BT = at::tensor(ids, at::kLong).view({rows(), width}).to(model_->device());
  const at::Tensor hidden_BTD =
      advance(model_->embed(ids_BT), counts, operation, columns, seen_among(tokens, width, operation));
  for (int64_t b = 0; b < rows(); ++b) {
    if (counts[b] > 0) notes_[b] = {};
  }
  return hidden_BTD;
}

void Session::prefill(const TokenRows& prompts) {
  for (size_t b = 0; b < prompts.size(); ++b) {
    require(!prompts[b].empty() && static_cast<int64_t>(prompts[b].size()) <= capacity(), "prefill", "expected 1 to ",
            capacity(), " tokens in row ", b, " but got ", prompts[b].size(), " (capacity ", capacity(), ")");
  }
  const bool fresh = std::all_of(lengths().begin(), lengths().end(), [](int64_t n) { return n == 0; });
  require(fresh, "prefill", "expected a session that has consumed nothing; use feed() to go on");
  feed_rows(prompts, "prefill", Columns::last);
}

void Session::feed(std::span<const int64_t> tokens) { feed(TokenRows(rows(), {tokens.begin(), tokens.end()})); }

void Session::feed(const TokenRows& tokens) { feed_rows(tokens, "feed", Columns::last); }

void Session::feed_vectors(const at::Tensor& x_BTD, std::span<const int64_t> counts) {
  require_model("feed_vectors");
  require(x_BTD.defined() && x_BTD.dim() == 3, "feed_vectors", "expected vectors of shape [", rows(), ", T, ",
          model_->config().hidden_size, "] but got ", x_BTD.defined() ? shape_text(x_BTD.sizes()) : "none");
  const at::Tensor inputs_BTD = require_inputs(x_BTD, *model_, rows(), x_BTD.size(1), "feed_vectors");
  require(!options_.mask, "feed_vectors", "expected tokens: the session has a mask, which is made from them");
  if (x_BTD.size(1) == 0) return;  // as feed() with empty rows
  const std::vector<int64_t> all(rows(), x_BTD.size(1));
  if (counts.empty()) counts = all;
  for (int64_t n : counts) {
    require(n >= 0 && n <= x_BTD.size(1), "feed_vectors", "expected counts of 0 to ", x_BTD.size(1), " but got ", n);
  }
  advance(inputs_BTD, counts, "feed_vectors", Columns::last);
}

at::Tensor Session::feed_for_logits(const TokenRows& tokens) {
  const at::NoGradGuard no_grad;
  const at::Tensor hidden_BTD = feed_rows(tokens, "feed_for_logits", Columns::all);
  require(hidden_BTD.defined(), "feed_for_logits", "expected at least one token");
  return model_->logits(model_->final_norm(hidden_BTD));
}

void Session::require_model(std::string_view operation) const {
  require(model_ != nullptr, operation, "expected a session but got one that was moved from");
}

void Session::require_started(std::string_view operation) const {
  require_model(operation);
  for (int64_t b = 0; b < rows(); ++b) {
    require(current_[b], operation, "expected every row to have consumed a token but row ", b,
            lengths()[b] > 0 ? " has none since it was truncated" : " is empty");
  }
}

Thoughts Session::think(const ThinkOptions& options) {
  require_started("think");
  const std::shared_ptr<const FusedModel> fused = this->fused();
  if (fused && feedback::hidden_at(options.feedback) && halt::ends_after(options.halt))
    return think_fused(options, *fused);
  const auto consume = [&](const at::Tensor& input_BD, const std::vector<int64_t>& active) {
    advance(input_BD.unsqueeze(1), active, "think", Columns::last);
  };
  return think_loop({.model = *model_,
                     .fused = fused,
                     .ids = ids_,
                     .notes = notes_,
                     .where = [&] { return where(); },
                     .consume = consume},
                    options);
}

Thoughts Session::think_in_parallel(const ParallelThinkOptions& options) {
  require_started("think_in_parallel");
  require(options.positions >= 0 && (options.positions == 0 || options.iterations >= 1), "think_in_parallel",
          "expected no negative number of positions and at least one iteration but got ", options.positions, " and ",
          options.iterations);
  require(options.positions == 0 || options.inputs, "think_in_parallel", "expected a function that makes inputs");
  const at::NoGradGuard no_grad;
  Thoughts out{std::vector<int64_t>(rows(), options.positions),
               std::vector<std::vector<int64_t>>(rows()),
               std::vector<char>(rows(), 0),
               {}};
  std::vector<int64_t> all(rows());
  std::iota(all.begin(), all.end(), 0);
  ParallelState state{.model = *model_, .positions = options.positions, .before_BD = hidden_BD(), .ids = ids_};
  std::optional<Session> start;
  if (options.positions > 0 && options.iterations > 1) start = fork(all);
  try {
    for (; options.positions > 0 && state.iteration < options.iterations; ++state.iteration) {
      const at::Tensor input_BKD =
          require_inputs(options.inputs(state), *model_, rows(), options.positions, "think_in_parallel");
      if (state.iteration > 0) *this = start->fork(all);
      const std::vector<int64_t> counts(rows(), options.positions);
      state.hidden_BKD = model_->final_norm(advance(input_BKD, counts, "think_in_parallel", Columns::all));
      state.input_BKD = input_BKD;
    }
  } catch (...) {  // of an iteration that is not the last nothing stays
    if (start) *this = start->fork(all);
    throw;
  }
  for (RowNotes& notes : notes_) notes.thoughts += options.positions;
  if (options.keep_trace) {
    out.trace_BKD = state.input_BKD.defined()
                        ? state.input_BKD
                        : at::zeros({rows(), 0, model_->config().hidden_size}, hidden_BD_.options());
  }
  return out;
}

void Session::name_rows(std::span<const int64_t> ids) {
  require(std::ssize(ids) == rows(), "name_rows", "expected a number for each of ", rows(), " rows but got ",
          ids.size());
  ids_.assign(ids.begin(), ids.end());
}

// think_loop() where nothing between two steps needs the host: all of them in one call.
Thoughts Session::think_fused(const ThinkOptions& options, const FusedModel& fused) {
  const at::NoGradGuard no_grad;
  require(options.max_steps >= 0, "think", "expected max_steps of at least 0 but got ", options.max_steps);
  const int64_t after = std::max<int64_t>(*halt::ends_after(options.halt), 0),
                wanted = std::min(options.max_steps, after);
  const bool feed_normed = *feedback::hidden_at(options.feedback) == HiddenAt::after_norm;
  const int64_t room = capacity() - *std::ranges::max_element(lengths()), steps = std::min(wanted, room);
  const at::Tensor hidden_BD = hidden_BD_.clone(at::MemoryFormat::Contiguous);
  Thoughts out{std::vector<int64_t>(rows(), wanted),
               std::vector<std::vector<int64_t>>(rows()),
               std::vector<char>(rows(), after < options.max_steps),
               {}};
  if (options.keep_trace) out.trace_BKD = at::zeros({rows(), steps, hidden_BD.size(1)}, hidden_BD.options());
  if (steps > 0) {
    fused.run({.steps = steps,
               .feed_normed = feed_normed,
               .x_BD = feed_normed ? fused.final_norm(hidden_BD) : hidden_BD_,
               .hidden_BD = hidden_BD,
               .trace_BND = out.trace_BKD},
              memory_);
    hidden_BD_ = hidden_BD;
  }
  for (RowNotes& notes : notes_) notes.thoughts += steps;
  if (steps < wanted) memory_.require_room(std::vector<int64_t>(rows(), 1), "think");  // fails
  return out;
}

RowNotes& Session::notes(int64_t row) {
  require_model("notes");
  require(row >= 0 && row < rows(), "notes", "expected a row of 0 to ", rows() - 1, " but got ", row);
  return notes_[row];
}

const std::vector<int64_t>& Session::exits(int64_t row) const {
  require_model("exits");
  require(row >= 0 && row < rows(), "exits", "expected a row of 0 to ", rows() - 1, " but got ", row);
  return exits_[row];
}

Session Session::fork(std::span<const int64_t> rows) const {
  require_model("fork");
  require(!rows.empty(), "fork", "expected at least one row");
  for (int64_t b : rows)
    require(b >= 0 && b < this->rows(), "fork", "expected rows of 0 to ", this->rows() - 1, " but got ", b);
  const at::NoGradGuard no_grad;
  const at::Tensor index_B =
      at::tensor(at::ArrayRef<int64_t>(rows.data(), rows.size()), at::kLong).to(model_->device());
  Session copy(model_, options_, memory_.fork(rows));
  copy.hidden_BD_ = hidden_BD_.index_select(0, index_B);
  for (const at::Tensor& layer_BD : layers_BD_) copy.layers_BD_.push_back(layer_BD.index_select(0, index_B));
  for (size_t i = 0; i < rows.size(); ++i) {
    copy.current_[i] = current_[rows[i]];
    copy.ids_[i] = ids_[rows[i]];
    copy.notes_[i] = notes_[rows[i]];
    copy.exits_[i] = exits_[rows[i]];
  }
  return copy;
}

const Transformer& Session::model() const {
  require_model("model");
  return *model_;
}

void Session::adopt(int64_t row, const Session& from, int64_t from_row) {
  require_model("adopt");
  const at::NoGradGuard no_grad;
  require(from.model_ == model_ && from.options_.recurrences == options_.recurrences &&
              leaves_early(model_->config(), from.options_.exit) == leaves_early(model_->config(), options_.exit) &&
              from.options_.keep_layers == options_.keep_layers &&
              static_cast<bool>(from.options_.mask) == static_cast<bool>(options_.mask),
          "adopt", "expected a session over the same model with the same recurrences, exits, layers kept and mask");
  memory_.adopt(row, from.memory_, from_row, "adopt");
  const at::Tensor row_1 = at::tensor({row}, at::kLong).to(model_->device());
  const auto copy = [&](const at::Tensor& x_BD, const at::Tensor& from_BD) {
    return x_BD.index_copy(0, row_1, from_BD.narrow(0, from_row, 1));
  };
  hidden_BD_ = copy(hidden_BD_, from.hidden_BD_);
  if (layers_BD_.empty()) {
    for (const at::Tensor& x_BD : from.layers_BD_)
      layers_BD_.push_back(at::zeros({rows(), x_BD.size(1)}, x_BD.options()));
  }
  for (size_t l = 0; l < from.layers_BD_.size(); ++l) layers_BD_[l] = copy(layers_BD_[l], from.layers_BD_[l]);
  current_[row] = from.current_[from_row];
  ids_[row] = from.ids_[from_row];
  notes_[row] = from.notes_[from_row];
  exits_[row] = from.exits_[from_row];
}

void Session::truncate(std::span<const int64_t> lengths) {
  require_model("truncate");
  const std::vector<int64_t> before = this->lengths();
  memory_.truncate(lengths, "truncate");
  for (size_t b = 0; b < before.size(); ++b) {
    current_[b] = current_[b] && lengths[b] == before[b];
    // What rules kept is of the thought that was the last; how many are left can be told.
    if (lengths[b] < before[b])
      notes_[b] = {.thoughts = std::max<int64_t>(notes_[b].thoughts - before[b] + lengths[b], 0)};
    if (!exits_[b].empty()) exits_[b].resize(lengths[b]);
  }
}

at::Tensor Session::hidden_BD(HiddenAt at) const {
  const at::NoGradGuard no_grad;
  require_started("hidden");
  if (at == HiddenAt::before_norm) return hidden_BD_.clone();
  const auto fused = this->fused();
  return fused ? fused->final_norm(hidden_BD_) : model_->final_norm(hidden_BD_);
}

StepRows Session::where(const at::Tensor& index_B) const {
  const auto chosen = [&](const at::Tensor& x_BD) { return index_B.defined() ? x_BD.index_select(0, index_B) : x_BD; };
  StepRows out{.hidden_BD = chosen(hidden_BD_)};
  for (const at::Tensor& layer_BD : layers_BD_) out.layers_BD.push_back(chosen(layer_BD));
  if (!index_B.defined()) out.lengths = lengths();
  return out;
}

StepState Session::state(std::span<const int64_t> rows, int64_t step) {
  require_model("state");
  const at::NoGradGuard no_grad;
  for (int64_t b : rows) {
    require(b >= 0 && b < this->rows() && current_[b], "state", "expected rows of 0 to ", this->rows() - 1,
            " that have consumed a token but got ", b);
  }
  const at::Tensor index_B =
      at::tensor(at::ArrayRef<int64_t>(rows.data(), rows.size()), at::kLong).to(model_->device());
  StepRows out = where(index_B);
  for (const int64_t b : rows) {
    out.ids.push_back(ids_[b]);
    out.lengths.push_back(lengths()[b]);
    out.notes.push_back(&notes_[b]);
  }
  return StepState(*model_, std::move(out), step, fused());
}

at::Tensor Session::logits_BV() const {
  const at::NoGradGuard no_grad;
  require_started("logits");
  const auto fused = this->fused();
  return fused ? fused->logits(fused->final_norm(hidden_BD_)) : model_->logits(model_->final_norm(hidden_BD_));
}

}  // namespace tacit
