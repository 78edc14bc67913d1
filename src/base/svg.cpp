#include "base/svg.h"

#include <fmt/format.h>

#include <iterator>

#include "base/table.h"

namespace ladon {

std::string xml_escaped(std::string_view text) {
  std::string escaped;
  for (const char c : printable(text)) {
    switch (c) {
      case '&':
        escaped += "&amp;";
        break;
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      case '"':
        escaped += "&quot;";
        break;
      default:
        escaped += c;
    }
  }
  return escaped;
}

std::string svg_number(double value) {
  std::string text = fmt::format("{:.2f}", value);
  while (text.back() == '0') text.pop_back();
  if (text.back() == '.') text.pop_back();
  return text == "-0" ? "0" : text;
}

Svg::Svg(double width, double height, std::string_view title, std::string_view style) {
  const std::string w = svg_number(width), h = svg_number(height);
  text_ = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{1}\" viewBox=\"0 0 {0} {1}\" "
      "role=\"img\">\n<title>{2}</title>\n<style>\n{3}\n</style>\n",
      w, h, xml_escaped(title), style);
}

void Svg::rect(const Rect& at, std::string_view css_class) {
  fmt::format_to(std::back_inserter(text_),
                 "<rect class=\"{}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"/>\n", css_class,
                 svg_number(at.x), svg_number(at.y), svg_number(at.width), svg_number(at.height));
}

void Svg::circle(double x, double y, double radius, std::string_view css_class) {
  fmt::format_to(std::back_inserter(text_), "<circle class=\"{}\" cx=\"{}\" cy=\"{}\" r=\"{}\"/>\n",
                 css_class, svg_number(x), svg_number(y), svg_number(radius));
}

void Svg::line(double x1, double y1, double x2, double y2, std::string_view css_class) {
  fmt::format_to(std::back_inserter(text_), "<line class=\"{}\" x1=\"{}\" y1=\"{}\" x2=\"{}\" y2=\"{}\"/>\n",
                 css_class, svg_number(x1), svg_number(y1), svg_number(x2), svg_number(y2));
}

void Svg::Rects::add(const Rect& at) {
  path_ += fmt::format("M{} {}h{}v{}h-{}z", svg_number(at.x), svg_number(at.y), svg_number(at.width),
                       svg_number(at.height), svg_number(at.width));
}

void Svg::draw(const Rects& rects, std::string_view css_class) {
  if (!rects.empty()) text_ += fmt::format("<path class=\"{}\" d=\"{}\"/>\n", css_class, rects.path_);
}

void Svg::text(double x, double y, std::string_view text, std::string_view css_class, Anchor anchor) {
  static constexpr std::string_view kAnchors[] = {"", " text-anchor=\"middle\"", " text-anchor=\"end\""};
  fmt::format_to(std::back_inserter(text_), "<text class=\"{}\" x=\"{}\" y=\"{}\"{}>{}</text>\n", css_class,
                 svg_number(x), svg_number(y), kAnchors[static_cast<int>(anchor)], xml_escaped(text));
}

void Svg::open_group(std::string_view title) {
  text_ += "<g>";
  if (!title.empty()) text_ += "<title>" + xml_escaped(title) + "</title>";
  text_ += "\n";
}

void Svg::close_group() {
  text_ += "</g>\n";
}

void Svg::comment(std::string_view text) {
  text_ += fmt::format("<!-- {} -->\n", text);
}

}  // namespace ladon
