#include "eval/probe/compression.h"

#include <ATen/core/grad_mode.h>
#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "eval/probe/jackknife.h"
#include "eval/statistics.h"
#include "lib/core/error.h"
#include "lib/model/checkpoint.h"

namespace tacit::probe {

Compression compression(const at::Tensor& x_ND, std::span<const int64_t> labels, double beta) {
  require(beta >= 0 && std::isfinite(beta), "compression", "expected a beta of at least 0 but got ", beta);
  Compression out{cluster_information(labels), distortion(x_ND, labels), 0};
  out.loss = out.information + beta * out.distortion;
  return out;
}

namespace {

// The items that the tokenizer can write.
struct Known {
  std::vector<CategoryItem> items;
  std::vector<int64_t> labels;  // category by item
  std::vector<std::string> categories;
  std::vector<std::string> missing;
  int64_t several = 0;  // items of several tokens
};

Known known_items(const LoadedModel& model, const std::vector<CategoryItem>& items) {
  Known out;
  std::map<std::string, int64_t> number;
  for (const CategoryItem& item : items) {
    const auto found = word_vector(*model.model, *model.tokenizer, item.item);
    if (!found) {
      out.missing.push_back(item.item);
      continue;
    }
    const auto [at, fresh] = number.try_emplace(item.category, std::ssize(number));
    if (fresh) out.categories.push_back(item.category);
    out.items.push_back(item);
    out.labels.push_back(at->second);
    out.several += found->tokens > 1;
  }
  require(out.items.size() >= 4 && out.categories.size() >= 2, "probe_compression",
          "expected at least 4 items of 2 categories in words of the checkpoint's tokenizer but got ", out.items.size(),
          " of ", out.categories.size(), "; ", out.missing.size(), " items are missing from its vocabulary");
  return out;
}

at::Tensor vectors_of(const Transformer& model, const Tokenizer& tokenizer, const Known& known) {
  std::vector<at::Tensor> rows;
  for (const CategoryItem& item : known.items) rows.push_back(word_vector(model, tokenizer, item.item)->vector_D);
  return at::stack(rows);
}

// Over items, their clusters and categories as they are.
Estimate ami_interval(const std::vector<int64_t>& a, const std::vector<int64_t>& b) {
  const auto ami = [&](const std::vector<int64_t>& kept) {
    std::vector<int64_t> x, y;
    for (const int64_t i : kept) x.push_back(a[i]), y.push_back(b[i]);
    return adjusted_mutual_information(x, y);
  };
  return jackknife(adjusted_mutual_information(a, b), std::ssize(a), ami);
}

struct Typicality {
  std::vector<double> by_category;  // Spearman of -distance to the category's name with the rating
  std::vector<double> shuffled;     // the same with ratings shuffled
  OrderedJson json = OrderedJson::array();
  std::vector<std::string> left_out;  // categories: no name in the vocabulary, or fewer than 4 rated items
};

Typicality typicality(const Transformer& model, const Tokenizer& tokenizer, const Known& known,
                      const at::Tensor& x_ND) {
  Typicality out;
  Rng rng(2);
  for (int64_t c = 0; c < std::ssize(known.categories); ++c) {
    const auto name = word_vector(model, tokenizer, known.categories[c]);
    std::vector<double> close, cosine, rating;
    for (int64_t i = 0; name && i < std::ssize(known.items); ++i) {
      if (known.labels[i] != c || !known.items[i].typicality) continue;
      const at::Tensor& n_D = name->vector_D;
      close.push_back(-(x_ND[i] - n_D).norm().item<double>());
      const double lengths = (x_ND[i].norm() * n_D.norm()).item<double>();
      cosine.push_back(lengths > 0 ? x_ND[i].dot(n_D).item<double>() / lengths : 0);
      rating.push_back(*known.items[i].typicality);
    }
    const double rho = rating.size() >= 4 ? spearman(close, rating) : std::nan("");
    if (std::isnan(rho)) {
      out.left_out.push_back(known.categories[c]);
      continue;
    }
    out.by_category.push_back(rho);
    out.json.push_back({{"category", known.categories[c]},
                        {"items", rating.size()},
                        {"spearman_distance", rho},
                        {"spearman_cosine", spearman(cosine, rating)}});
    rng.shuffle(rating);
    out.shuffled.push_back(spearman(close, rating));
  }
  return out;
}

std::vector<int64_t> cluster_numbers(int64_t human, int64_t items) {
  std::set<int64_t> out;
  for (const double factor : {.25, .5, 1.0, 2.0, 4.0}) {
    const int64_t k = std::llround(factor * static_cast<double>(human));
    if (k >= 1 && k <= items) out.insert(k);
  }
  return {out.begin(), out.end()};
}

std::vector<int64_t> shuffled(std::vector<int64_t> labels, uint64_t seed) {
  Rng rng(seed);
  rng.shuffle(labels);
  return labels;
}

OrderedJson to_json(const Compression& c) {
  return {{"information_bits", c.information}, {"distortion", c.distortion}, {"loss", c.loss}};
}

struct Measured {
  OrderedJson json;
  Estimate ami, null, typical;
  ChartSeries losses;
};

Measured measure(const std::string& name, const std::string& what, const Transformer& model, const Tokenizer& tokenizer,
                 const Known& known, const CompressionOptions& options) {
  const at::Tensor x_ND = vectors_of(model, tokenizer, known);
  const int64_t human = std::ssize(known.categories);
  Measured out;
  const KMeans same_number = k_means(x_ND, human, options.k_means);
  out.ami = ami_interval(same_number.labels, known.labels);
  std::vector<double> nulls;
  for (int64_t i = 0; i < options.shuffles; ++i)
    nulls.push_back(adjusted_mutual_information(same_number.labels, shuffled(known.labels, static_cast<uint64_t>(i))));
  out.null = {0, quantile(nulls, .025), quantile(nulls, .975), std::ssize(nulls)};
  for (const double value : nulls) out.null.mean += value / static_cast<double>(nulls.size());
  const Typicality typical = typicality(model, tokenizer, known, x_ND);
  out.typical = estimate(typical.by_category);
  out.losses.name = name + ", k-means";
  OrderedJson by_clusters = OrderedJson::array();
  for (const int64_t k : cluster_numbers(human, std::ssize(known.items))) {
    const KMeans found = k_means(x_ND, k, options.k_means);
    const Compression own = compression(x_ND, found.labels, options.beta);
    by_clusters.push_back({{"clusters", k},
                           {"k_means", to_json(own)},
                           {"shuffled", to_json(compression(x_ND, shuffled(found.labels, 1), options.beta))}});
    out.losses.points.push_back({std::to_string(k), exact(own.loss)});
  }
  out.json = {{"name", name},
              {"what", what},
              {"variance", distortion(x_ND, std::vector<int64_t>(known.items.size(), 0))},
              {"ami", to_json(out.ami)},
              {"ami_shuffled_categories", to_json(out.null)},
              {"typicality",
               {{"mean_spearman", to_json(out.typical)},
                {"shuffled_ratings", to_json(estimate(typical.shuffled))},
                {"by_category", typical.json},
                {"left_out", typical.left_out}}},
              {"human_categories", to_json(compression(x_ND, known.labels, options.beta))},
              {"human_shuffled", to_json(compression(x_ND, shuffled(known.labels, 1), options.beta))},
              {"by_clusters", by_clusters}};
  return out;
}

}  // namespace

ProbeReport probe_compression(const LoadedModel& model, const CompressionOptions& options) {
  const at::NoGradGuard no_grad;
  require_tokenizer(model);
  require(options.shuffles >= 1, "probe_compression", "expected at least one shuffle");
  const std::vector<CategoryItem> items = read_categories(options.items, options.subset);
  const Known known = known_items(model, items);
  ProbeReport out{.name = "compression"};
  out.json = {{"probe", "compression"},
              {"items", known.items.size()},
              {"categories", known.categories.size()},
              {"items_of_several_tokens", known.several},
              {"missing", known.missing},
              {"beta", options.beta}};
  Chart agreement{"ami", "Clusters of token embeddings against human categories", "embeddings", "AMI"};
  agreement.series = {{"k-means", {}}, {"shuffled categories", {}}};
  Chart typical{"typicality", "Closeness to the category's name against human ratings", "embeddings", "mean Spearman"};
  typical.series = {{"by category", {}}};
  Chart loss{"loss", "L = I(X;C) + beta D by number of clusters", "clusters", "bits"};
  const auto fresh = make_model(model.model->config(), 1);
  OrderedJson all = OrderedJson::array();
  for (const auto& [name, what, which] :
       {std::tuple("checkpoint", "token embeddings of the checkpoint", model.model.get()),
        std::tuple("random weights", "embeddings of the same config that were never trained", fresh.get())}) {
    const Measured found = measure(name, what, *which, *model.tokenizer, known, options);
    all.push_back(found.json);
    agreement.series[0].points.push_back({name, found.ami});
    agreement.series[1].points.push_back({name, found.null});
    if (found.typical.count > 0) typical.series[0].points.push_back({name, found.typical});
    loss.series.push_back(found.losses);
    const double human = found.json.at("human_categories").at("loss").get<double>();
    loss.series.push_back({std::string(name) + ", human", {{std::to_string(known.categories.size()), exact(human)}}});
  }
  out.json["embeddings"] = all;
  out.charts = {agreement, loss};
  if (!typical.series[0].points.empty()) out.charts.push_back(typical);
  out.notes.push_back(
      "I counts bits and D squares of the embeddings' unit: L compares partitions of one model, not models");
  if (known.several > 0) {
    out.notes.push_back(std::to_string(known.several) + " of " + std::to_string(known.items.size()) +
                        " items take several tokens: the mean of their embeddings stands for them");
  }
  if (!known.missing.empty()) {
    std::string list;
    for (const std::string& word : known.missing) list += (list.empty() ? "" : ", ") + word;
    out.notes.push_back("missing from the vocabulary and left out: " + list);
  }
  return out;
}

}  // namespace tacit::probe
