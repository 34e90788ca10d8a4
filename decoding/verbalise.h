#pragma once

#include <ATen/ATen.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "latent/method.h"
#include "lib/model/transformer.h"
#include "lib/tokenizer/tokenizer.h"

namespace tacit {

// A thought in words.
struct Verbalised {
  std::string text;
  std::vector<int64_t> tokens;  // of `text`; may be empty
  at::Tensor vector_D;          // what the same says as one input; undefined = nothing but its tokens
  double score = 0;             // how sure: see the verbaliser
};

// Thoughts to text: all thoughts of one problem [K, D] -> as many texts. Whether a text says what the thought does is
// another question: decoding/faithfulness.h asks it.
struct Verbaliser {
  std::string name;
  std::function<std::vector<Verbalised>(const at::Tensor& thoughts_KD)> say;
};

// What the model was in the middle of after every written step of some problems.
struct StepBank {
  std::vector<std::vector<int64_t>> steps;  // tokens
  at::Tensor hidden_ND;                     // after the final norm, behind the step's last token
};
// A problem as it was trained on: the question's tokens, with what stands before the steps, then each step's.
struct WrittenSteps {
  std::vector<int64_t> prompt;
  std::vector<std::vector<int64_t>> steps;
};
// Feeds each problem's question and steps, one problem at a time. Empty steps are left out. Fails where no step is left
// or a problem exceeds the model's positions.
StepBank step_bank(const std::shared_ptr<const Transformer>& model, const std::vector<WrittenSteps>& problems);

namespace verbaliser {

// The logit lens: the likeliest `words` tokens of the readout; the vector is the mean of their embeddings by their
// probabilities, for one word its embedding. Score: their probability.
Verbaliser lens(std::shared_ptr<const Transformer> model, std::shared_ptr<const Tokenizer> tokenizer,
                int64_t words = 1);

// The step of the bank whose hidden state has the largest cosine with the thought, the first of equals; the vector is
// that hidden state. Score: the cosine.
Verbaliser nearest(std::shared_ptr<const Tokenizer> tokenizer, StepBank bank);

// SIM-CoT's decoder (latent/thought_decoder.h, decoding/thought_text.h), greedy, for thoughts of one vector. No
// vector. Score: mean log-probability.
Verbaliser decoder(std::shared_ptr<const Transformer> decoder, std::shared_ptr<const Tokenizer> tokenizer,
                   int64_t max_tokens = 32, StopTokens stop_tokens = {});

}  // namespace verbaliser
}  // namespace tacit
