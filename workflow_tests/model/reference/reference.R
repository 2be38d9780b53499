# Writes reference.tsv and risks.csv from competing.csv, the table the Python tests read.
# Odd rows train, even rows test. Times are rounded up to a tenth of a year, so many are tied.
# Run in this folder with R 4.2.2, survival 3.5-3, cmprsk 2.2-11, riskRegression 2022.11.28,
# Hmisc 4.8-0.
suppressMessages({
  library(survival); library(cmprsk); library(riskRegression); library(prodlim); library(Hmisc)
})
put <- function(name, value) {
  keys <- if (is.null(names(value))) seq_along(value) else names(value)
  lines <- sprintf("%s\t%s\t%.15g", name, keys, value)
  cat(lines, file = "reference.tsv", sep = "\n", append = TRUE)
}
cat("name\tkey\tvalue\n", file = "reference.tsv")
d <- read.csv("competing.csv")
train <- d[seq(1, nrow(d), 2), ]
test <- d[seq(2, nrow(d), 2), ]
horizons <- c(1, 2.5, 5)

for (cause in 1:2) {
  m <- coxph(Surv(time_years, event == cause) ~ age_years + prior_fracture + hu, d)
  put(paste0("cox_", cause), coef(m))
  put(paste0("cox_se_", cause), sqrt(diag(vcov(m))))
  put(paste0("cox_loglik_", cause), m$loglik[2])
}
incidence <- timepoints(cuminc(d$time_years, d$event), horizons)
put("aalen_johansen", setNames(incidence$est["1 1", ], horizons))
put("aalen_johansen_variance", setNames(incidence$var["1 1", ], horizons))

csc <- CSC(Hist(time_years, event) ~ age_years + prior_fracture + hu, data = train)
risk <- predictRisk(csc, newdata = test, times = horizons, cause = 1)
write.csv(round(risk, 12), "risks.csv", row.names = FALSE)
score <- Score(list(csc = csc), formula = Hist(time_years, event) ~ 1, data = test,
               times = horizons, cause = 1, metrics = c("auc", "brier"), cens.model = "km",
               null.model = FALSE, conf.int = FALSE)
put("auc", setNames(score$AUC$score$AUC, horizons))
put("brier", setNames(score$Brier$score$Brier, horizons))

# Death as censoring: the concordance of the survival package, plain and weighted by 1/G^2.
lp <- predict(csc$models[[1]], newdata = test, type = "lp")
fracture <- Surv(test$time_years, test$event == 1)
put("harrell", concordance(fracture ~ lp, reverse = TRUE)$concordance)
put("uno_5", concordance(fracture ~ lp, reverse = TRUE, timewt = "n/G2", ymax = 5)$concordance)
write.csv(data.frame(lp = round(lp, 12)), "lp.csv", row.names = FALSE)

gray <- crr(d$time_years, d$event, as.matrix(d[, c("age_years", "prior_fracture", "hu")]))
put("fine_gray", gray$coef)
by_crr <- function(fit, x, time) {
  incidence <- predict(fit, cov1 = x)
  incidence[max(which(incidence[, 1] <= time)), -1]
}
for (t in horizons) put(paste0("fine_gray_incidence_", t), by_crr(gray, as.matrix(
  d[1:5, c("age_years", "prior_fracture", "hu")]), t))

# Calibration of the test half.
observed <- timepoints(cuminc(test$time_years, test$event), horizons)$est["1 1", ]
put("oe_ratio", setNames(observed / colMeans(risk), horizons))
# Integral from 0, where the score is 0, by the trapezoid rule.
brier <- c(0, score$Brier$score$Brier)
put("ibs", sum(diff(c(0, horizons)) * (brier[-1] + brier[-4]) / 2) / 5)
fold <- rep(1:3, length.out = nrow(test))
drawn <- rep(c(1, 0, 2, 1), length.out = nrow(test))
put("slope", coef(coxph(fracture ~ lp)))
put("slope_by_fold", coef(coxph(fracture ~ lp + strata(fold))))
put("slope_by_fold_weighted", coef(coxph(fracture ~ lp + strata(fold), weights = drawn,
                                         subset = drawn > 0)))
marker <- log(-log(1 - risk))
put("slope_fine_gray", crr(test$time_years, test$event, marker[, 3], gtol = 1e-9)$coef)

distances <- function(name, smooth, predicted) {
  distance <- abs(smooth - predicted)
  put(name, c(ici = mean(distance), e50 = median(distance), e90 = unname(quantile(distance, .9))))
}
for (k in 1:3) {
  spline <- rcspline.eval(marker[, k], nk = 3, inclx = TRUE)
  fit <- crr(test$time_years, test$event, spline)
  smooth <- by_crr(fit, spline, horizons[k])
  distances(paste0("distances_", horizons[k]), smooth, risk[, k])
  # Death as censoring.
  fit <- coxph(fracture ~ spline, x = TRUE)
  smooth <- 1 - exp(-basehaz(fit, centered = FALSE)[
    max(which(basehaz(fit)$time <= horizons[k])), "hazard"] * exp(spline %*% coef(fit)))
  distances(paste0("distances_cox_", horizons[k]), smooth, risk[, k])
}

# Decisions: Aalen-Johansen among the positive (Vickers 2008).
for (k in 2:3) for (threshold in c(0.1, 0.2, 0.4)) {
  positive <- risk[, k] >= threshold
  fracturing <- timepoints(cuminc(test$time_years[positive], test$event[positive]), horizons[k])$est
  put(paste("net_benefit", horizons[k], threshold, sep = "_"), mean(positive) * (
    fracturing["1 1", ] - (1 - fracturing["1 1", ]) * threshold / (1 - threshold)))
}
roc <- Score(list(csc = risk[, 2]), formula = Hist(time_years, event) ~ 1, data = test, times = 2.5,
             cause = 1, metrics = "auc", plots = "ROC", cens.model = "km", null.model = FALSE,
             conf.int = FALSE)$ROC$plotframe
for (row in c(20, 50, 80)) put(paste0("roc_", row), setNames(
  unlist(roc[row, 3:5]), c("risk", "true_positive", "false_positive")))

# A diagnosis: fractured or not in the time each was seen, predicted by the risk at 5 years.
diagnosed <- as.integer(test$event == 1)
logit <- qlogis(risk[, 3])
precise <- glm.control(epsilon = 1e-14, maxit = 100)
put("diagnosis_slope", coef(glm(diagnosed ~ logit, family = binomial, control = precise))[2])
put("diagnosis_auc", concordance(diagnosed ~ risk[, 3])$concordance)
put("diagnosis_brier", mean((diagnosed - risk[, 3])^2))
spline <- rcspline.eval(logit, nk = 3, inclx = TRUE)
distances("diagnosis_distances", fitted(glm(diagnosed ~ spline, family = binomial)), risk[, 3])
