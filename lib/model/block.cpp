#include "lib/model/block.h"

#include "lib/model/of_columns.h"

namespace tacit {

Block::Block(const ModelConfig& c, int64_t number, const TakeWeight& take) : residual_(c.residual) {
  const bool bare = residual_ == Residual::post;
  const bool sandwiched = residual_ == Residual::sandwich || residual_ == Residual::outer_sandwich;
  const auto norm = [&](const std::string& name) { return take_norm(take, name, c.norm, c.hidden_size, c.norm_eps); };
  const auto before = [&](const std::string& name) { return bare ? NormLayer{NormKind::none} : norm(name); };
  const auto after = [&](const std::string& name) {
    return sandwiched ? norm(name) : NormLayer{bare ? c.norm : NormKind::none, c.norm_eps};
  };
  mixer_norm_ = before("attention_norm");
  mixer_ = make_mixer(c, number, take);
  mixer_post_norm_ = after("attention_post_norm");
  feed_forward_norm_ = before("mlp_norm");
  feed_forward_ = make_feed_forward(c, number, take);
  feed_forward_post_norm_ = after("mlp_post_norm");
}

at::Tensor Block::operator()(const at::Tensor& all, int64_t layer, Pass& pass) const {
  const at::Tensor x = of_columns(all, /*dim=*/1, pass.wanted);
  // The mixer stores every column whatever is wanted of it.
  const auto mix = [&] {
    const at::Tensor mixed = (*mixer_)(mixer_norm_(all), layer, pass);
    return mixed.size(1) == x.size(1) ? mixed : of_columns(mixed, /*dim=*/1, pass.wanted);
  };
  const auto feed = [&](const at::Tensor& in) { return (*feed_forward_)(feed_forward_norm_(in), layer, pass); };
  switch (residual_) {
    case Residual::pre: {
      const at::Tensor mixed = x + mix();
      return mixed + feed(mixed);
    }
    case Residual::parallel: {
      const at::Tensor mixed = x + mix();
      return mixed + feed(x);
    }
    case Residual::sandwich: {
      const at::Tensor mixed = x + mixer_post_norm_(mix());
      return mixed + feed_forward_post_norm_(feed(mixed));
    }
    case Residual::outer_sandwich:
    case Residual::post: {
      const at::Tensor mixed = mixer_post_norm_(x + mix());
      return feed_forward_post_norm_(mixed + feed(mixed));
    }
  }
  return x;
}

}  // namespace tacit
